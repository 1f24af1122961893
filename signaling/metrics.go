package signaling

import (
	"github.com/prometheus/client_golang/prometheus"

	"callseal/signaling/call"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Metrics are those of the server and of the rooms below it. The zero of it
// counts nothing.
type Metrics struct {
	transport *transport.Metrics
	calls     *call.Metrics
	trunks    *trunk.Metrics
	refused   *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		transport: transport.NewMetrics(reg),
		calls:     call.NewMetrics(reg),
		trunks:    trunk.NewMetrics(reg),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_requests_refused_total",
			Help: "Requests refused in callseal's own words, by the role of the listener and cause.",
		}, []string{"role", "cause"}),
	}
	reg.MustRegister(m.refused)
	return m
}

func (m *Metrics) refuse(role transport.Role, cause string) {
	if m.refused != nil {
		m.refused.WithLabelValues(role.String(), cause).Inc()
	}
}
