package locate

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts lookups. Names and labels are API; every label is an enum.
type Metrics struct{ lookups *prometheus.CounterVec }

// outcome is what came of a lookup.
type outcome uint8

const (
	answered   outcome = iota // by a name server
	cached                    // remembered
	none                      // there is no such name or record, by a name server or remembered
	outdated                  // an answer beyond its time, because no name server answered
	unanswered                // by no name server
	outcomes                  // how many there are
)

// String gives the metric label.
func (o outcome) String() string {
	return [outcomes]string{answered: "answer", cached: "cache", none: "none", outdated: "stale", unanswered: "failed"}[o]
}

// NewMetrics makes the metrics and registers them with reg, unless that is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{lookups: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "callseal_dns_lookups_total",
		Help: "DNS lookups by type and outcome: answer, cache, none (no such name or record), stale (no name server answers) or failed."},
		[]string{"type", "outcome"})}
	for _, k := range Kinds() {
		for o := range outcomes {
			m.lookups.WithLabelValues(k.String(), o.String())
		}
	}
	if reg != nil {
		reg.MustRegister(m.lookups)
	}
	return m
}

func (m *Metrics) count(k Kind, o outcome) {
	m.lookups.WithLabelValues(k.String(), o.String()).Inc()
}
