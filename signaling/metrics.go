package signaling

import (
	"github.com/prometheus/client_golang/prometheus"

	"callseal/signaling/auth"
	"callseal/signaling/call"
	"callseal/signaling/register"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Metrics are those of the server and of the rooms below it. The zero of it
// counts nothing.
type Metrics struct {
	transport *transport.Metrics
	calls     *call.Metrics
	trunks    *trunk.Metrics
	phones    *registrar.Metrics
	refused   *prometheus.CounterVec

	registered    *prometheus.GaugeVec
	registrations *prometheus.CounterVec
	local         localMetrics
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		transport: transport.NewMetrics(reg),
		calls:     call.NewMetrics(reg),
		trunks:    trunk.NewMetrics(reg),
		phones:    registrar.NewMetrics(reg),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_requests_refused_total",
			Help: "Requests refused in callseal's own words, by the role of the listener and cause.",
		}, []string{"role", "cause"}),
		registered: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "callseal_trunk_registered",
			Help: "Whether callseal is registered with the trunk: 1, or 0.",
		}, []string{"trunk"}),
		registrations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_trunk_registrations_total",
			Help: "Attempts to register with a trunk, refreshes included, by what came of them.",
		}, []string{"trunk", "outcome"}),
	}
	reg.MustRegister(m.refused, m.registered, m.registrations)
	m.local = newLocalMetrics(reg)
	return m
}

func (m *Metrics) refuse(role transport.Role, cause string) {
	if m.refused != nil {
		m.refused.WithLabelValues(role.String(), cause).Inc()
	}
}

// registration takes what a trunk's registration tells.
func (m *Metrics) registration(trunk string, o register.Outcome, st register.Status) {
	if m.registered == nil {
		return
	}
	if o != register.Pending {
		m.registrations.WithLabelValues(trunk, o.String()).Inc()
	}
	up := 0.0
	if st.State.Up() {
		up = 1
	}
	m.registered.WithLabelValues(trunk).Set(up)
}

// noRegistration forgets the state of a trunk that is registered with no more.
func (m *Metrics) noRegistration(trunk string) {
	if m.registered != nil {
		m.registered.DeleteLabelValues(trunk)
	}
}

// localMetrics are of phones whose passwords we know. The zero of it counts
// nothing.
type localMetrics struct {
	proofs   *prometheus.CounterVec
	lines    *prometheus.GaugeVec
	attempts *prometheus.CounterVec
	locks    *prometheus.CounterVec
}

func newLocalMetrics(reg prometheus.Registerer) localMetrics {
	m := localMetrics{
		proofs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_digest_checks_total",
			Help: "Requests that had to prove who they come from, by what their credentials were: accepted, missing, stale, wrong, malformed, or uri: made for another one.",
		}, []string{"verdict"}),
		lines: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "callseal_phone_lines",
			Help: "Registrations that callseal keeps for phones, by dialer and state.",
		}, []string{"dialer", "state"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_phone_line_attempts_total",
			Help: "REGISTERs that callseal sent for phones, by dialer and outcome.",
		}, []string{"dialer", "outcome"}),
		locks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_password_locks_total",
			Help: "Locks for wrong passwords from one address: of an account there, or of the address but for the phones that are registered.",
		}, []string{"of"}),
	}
	for _, l := range locks() {
		m.locks.WithLabelValues(l.String())
	}
	for _, v := range auth.Verdicts() {
		m.proofs.WithLabelValues(v.String())
	}
	reg.MustRegister(m.proofs, m.lines, m.attempts, m.locks)
	return m
}

// lock counts a lock.
func (m *localMetrics) lock(l lock) {
	if m.locks != nil {
		m.locks.WithLabelValues(l.String()).Inc()
	}
}

// proof counts a request's credentials.
func (m *localMetrics) proof(v auth.Verdict) {
	if m.proofs != nil {
		m.proofs.WithLabelValues(v.String()).Inc()
	}
}

// line counts an attempt of a phone's registration, and its change of state. One
// that is not begun or over is not counted.
func (m *localMetrics) line(dialer string, o register.Outcome, was, is register.State) {
	if m.lines == nil {
		return
	}
	if o != register.Pending {
		m.attempts.WithLabelValues(dialer, o.String()).Inc()
	}
	count := func(s register.State, by float64) {
		if s != register.Idle && s != register.Ended {
			m.lines.WithLabelValues(dialer, s.String()).Add(by)
		}
	}
	if was != is {
		count(was, -1)
		count(is, +1)
	}
}
