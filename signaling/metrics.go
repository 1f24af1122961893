package signaling

import (
	"github.com/prometheus/client_golang/prometheus"

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
