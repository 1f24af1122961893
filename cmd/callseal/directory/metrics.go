package directory

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of a Directory. The nil Metrics counts nothing.
type Metrics struct {
	reads    *prometheus.CounterVec
	accounts prometheus.Gauge
	weak     prometheus.Gauge
	last     prometheus.Gauge
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_directory_reads_total",
			Help: "Readings of the phones from the database, by result: ok or failed.",
		}, []string{"result"}),
		accounts: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "callseal_directory_accounts",
			Help: "Phones and aliases of the last good copy.",
		}),
		weak: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "callseal_directory_default_secrets",
			Help: "Phones whose conf_secret is the one that VICIdial gives to new phones.",
		}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "callseal_directory_read_timestamp_seconds",
			Help: "When the last good copy was read, in seconds since 1970; 0 before the first.",
		}),
	}
	for _, result := range []string{"ok", "failed"} {
		m.reads.WithLabelValues(result)
	}
	reg.MustRegister(m.reads, m.accounts, m.weak, m.last)
	return m
}

func (m *Metrics) read(r found, err error, now time.Time) {
	switch {
	case m == nil:
	case err != nil:
		m.reads.WithLabelValues("failed").Inc()
	default:
		m.reads.WithLabelValues("ok").Inc()
		m.accounts.Set(float64(len(r.Accounts)))
		m.weak.Set(float64(r.DefaultSecrets))
		m.last.Set(float64(now.Unix()))
	}
}
