package trunk

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what trunks are asked and kept from. Every method works on a
// nil *Metrics.
type Metrics struct {
	watched *prometheus.GaugeVec
	active  *prometheus.GaugeVec
	limits  *prometheus.CounterVec
	queue   *prometheus.HistogramVec
}

// NewMetrics registers the metrics of trunks.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	trunk := []string{"role", "trunk"}
	m := &Metrics{
		watched: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "callseal_trunk_up",
			Help: "1 while a trunk with health answers, 0 while it does not and others are asked first.",
		}, trunk),
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "callseal_trunk_calls",
			Help: "Calls that have a place at the trunk, in both directions, those that wait for their turn included.",
		}, trunk),
		limits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_trunk_limited_total",
			Help: "Calls that a limit kept from the trunk, by limit: calls, cps, number or length.",
		}, append(trunk[:2:2], "limit")),
		queue: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "callseal_trunk_queue_seconds",
			Help:    "How long calls had to wait for limits.calls_per_second of the trunk, in seconds, of those that had to.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, .75, 1},
		}, trunk),
	}
	reg.MustRegister(m.watched, m.active, m.limits, m.queue)
	return m
}

func (m *Metrics) up(p *post) {
	if m == nil {
		return
	}
	up := 1.0
	if p.pulse.down {
		up = 0
	}
	m.watched.WithLabelValues(p.role.String(), p.name).Set(up)
}

func (m *Metrics) unwatched(p *post) {
	if m != nil {
		m.watched.DeleteLabelValues(p.role.String(), p.name)
	}
}

// gone forgets the gauges of a trunk that is configured no more.
func (m *Metrics) gone(p *post) {
	if m != nil {
		m.watched.DeleteLabelValues(p.role.String(), p.name)
		m.active.DeleteLabelValues(p.role.String(), p.name)
	}
}

func (m *Metrics) calls(p *post) {
	if m != nil {
		m.active.WithLabelValues(p.role.String(), p.name).Set(float64(p.calls))
	}
}

func (m *Metrics) limited(t *Trunk, limit Limit) {
	if m != nil {
		m.limits.WithLabelValues(t.Role().String(), t.Name(), limit.String()).Inc()
	}
}

func (m *Metrics) waited(p *post, wait time.Duration) {
	if m != nil && wait > 0 {
		m.queue.WithLabelValues(p.role.String(), p.name).Observe(wait.Seconds())
	}
}
