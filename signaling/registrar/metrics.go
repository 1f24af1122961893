package registrar

import (
	"github.com/prometheus/client_golang/prometheus"

	"callseal/signaling/transport"
)

// Metrics counts phones and what becomes of their REGISTERs. Every method works
// on a nil *Metrics.
type Metrics struct {
	outcomes *prometheus.CounterVec
	phones   *prometheus.GaugeVec
	flows    *prometheus.CounterVec
	silence  *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_phone_registrations_total",
			Help: "REGISTERs of phones, by outcome.",
		}, []string{"outcome"}),
		phones: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "callseal_phones_registered",
			Help: "Phones that have registered and can be reached, by transport and whether signaling and media are sealed.",
		}, []string{"transport", "sealed"}),
		flows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_phone_flows_lost_total",
			Help: "Registered phones whose connection died, or that stopped answering, by transport.",
		}, []string{"transport"}),
		silence: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_phone_options_unanswered_total",
			Help: "OPTIONS of a dialer for a phone that were left without any answer, so that the dialer takes it for unreachable, by cause.",
		}, []string{"cause"}),
	}
	reg.MustRegister(m.outcomes, m.phones, m.flows, m.silence)
	return m
}

func (m *Metrics) outcome(o Outcome) {
	if m != nil {
		m.outcomes.WithLabelValues(o.String()).Inc()
	}
}

func (m *Metrics) registered(k kind, by float64) {
	if m == nil || k.proto == "" {
		return
	}
	sealed := "no"
	if k.sealed {
		sealed = "yes"
	}
	m.phones.WithLabelValues(k.proto, sealed).Add(by)
}

func (m *Metrics) lost(p transport.Proto) {
	if m != nil {
		m.flows.WithLabelValues(p.String()).Inc()
	}
}

// Silent counts an OPTIONS that a dialer gets no answer to: its phone is gone
// ("lost"), unknown here ("unknown"), or has not answered itself ("timeout"), or
// too many others are waited for ("limit").
func (m *Metrics) Silent(cause string) {
	if m != nil {
		m.silence.WithLabelValues(cause).Inc()
	}
}
