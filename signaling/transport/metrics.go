package transport

import (
	"crypto/tls"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what the transport does. Its names and labels are API; every label is bounded: roles, protocols, causes and stages are
// enums, trunks come from the configuration.
type Metrics struct {
	messages    *prometheus.CounterVec
	keepAlives  prometheus.Counter
	refused     *prometheus.CounterVec
	large       prometheus.Counter
	panics      prometheus.Counter
	connections *prometheus.GaugeVec
	asked, ours prometheus.Gauge // transactions: of requests that came, and of our own
	turnedAway  *prometheus.CounterVec
	closed      *prometheus.CounterVec
	handshakes  *prometheus.CounterVec
	tlsFailures *prometheus.CounterVec
	trunkErrors *prometheus.CounterVec
	bans        *prometheus.CounterVec
	banned      prometheus.Gauge
	banDrops    *prometheus.CounterVec
}

// NewMetrics makes the metrics and registers them with reg, unless that is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	single := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &Metrics{
		messages:   counter("callseal_sip_messages_total", "SIP messages on the wire, repetitions included.", "role", "transport", "direction"),
		keepAlives: single("callseal_sip_keepalives_total", "Keep-alive pings received (RFC 5626)."),
		refused:    counter("callseal_sip_refused_total", "SIP messages refused or dropped, by cause.", "cause"),
		large:      single("callseal_sip_large_datagrams_total", "SIP messages above 1300 octets sent over UDP, which may need IP fragments."),
		panics:     single("callseal_sip_panics_total", "Panics recovered while a SIP message was handled."),
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "callseal_connections",
			Help: "Open signaling connections, accepted and dialled."}, []string{"role", "transport"}),
		turnedAway:  counter("callseal_connections_refused_total", "Connections refused before their first message, by cause.", "cause"),
		closed:      counter("callseal_connections_closed_total", "Connections ended, by cause.", "role", "cause"),
		handshakes:  counter("callseal_tls_handshakes_total", "TLS handshakes completed, either direction.", "role", "version"),
		tlsFailures: counter("callseal_tls_failures_total", "TLS handshakes failed, either direction; trunk is empty where the remote connected.", "role", "trunk", "stage", "cause"),
		trunkErrors: counter("callseal_trunk_failures_total", "Requests and connections to trunks that failed, by stage and cause.", "role", "trunk", "stage", "cause"),
		bans:        counter("callseal_bans_total", "Addresses banned, by what they did last.", "reason"),
		banned:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "callseal_banned", Help: "Addresses now banned; one that is banned over UDP and over TCP and TLS counts twice."}),
		banDrops:    counter("callseal_ban_drops_total", "Datagrams dropped unread and connections closed at once, because their source is banned.", "transport"),
	}
	transactions := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "callseal_sip_transactions",
		Help: "SIP transactions that are kept: of requests received (server) and sent (client)."}, []string{"side"})
	m.asked, m.ours = transactions.WithLabelValues("server"), transactions.WithLabelValues("client")
	for c := range refusals {
		m.refused.WithLabelValues(c.String())
	}
	for _, o := range Offences() {
		m.bans.WithLabelValues(o.String())
	}
	for _, p := range Protos() {
		m.banDrops.WithLabelValues(p.String())
	}
	if reg != nil {
		reg.MustRegister(transactions, m.messages, m.keepAlives, m.refused, m.large, m.panics, m.connections, m.turnedAway, m.closed, m.handshakes,
			m.tlsFailures, m.trunkErrors, m.bans, m.banned, m.banDrops)
	}
	return m
}

func (m *Metrics) message(f *Flow, d Direction) {
	m.messages.WithLabelValues(f.role.String(), f.proto.String(), d.String()).Inc()
}

func (m *Metrics) refuse(c refusal) { m.refused.WithLabelValues(c.String()).Inc() }

func (m *Metrics) turnAway(c refusal) { m.turnedAway.WithLabelValues(c.String()).Inc() }

func (m *Metrics) opened(f *Flow) {
	m.connections.WithLabelValues(f.role.String(), f.proto.String()).Inc()
}

func (m *Metrics) ended(f *Flow, c refusal) {
	m.connections.WithLabelValues(f.role.String(), f.proto.String()).Dec()
	m.closed.WithLabelValues(f.role.String(), c.String()).Inc()
}

func (m *Metrics) handshake(r Role, version uint16) {
	m.handshakes.WithLabelValues(r.String(), tls.VersionName(version)).Inc()
}

func (m *Metrics) tlsFailure(r Role, f *Failure) {
	m.tlsFailures.WithLabelValues(r.String(), f.Trunk, f.Stage.String(), f.Cause.String()).Inc()
}

func (m *Metrics) trunkFailure(r Role, f *Failure) {
	m.trunkErrors.WithLabelValues(r.String(), f.Trunk, f.Stage.String(), f.Cause.String()).Inc()
}
