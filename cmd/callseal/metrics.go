package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newRegistry makes the registry that /metrics shows, with what the process
// itself and its configuration of now have to say.
func newRegistry(current func() *Config) (*prometheus.Registry, *reloadMetrics) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	v := buildVersion()
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "callseal_build_info",
		Help: "Always 1; the labels say what this binary was built from.",
	}, []string{"version", "revision", "go"})
	info.WithLabelValues(v.Version, v.Revision, v.Go).Set(1)
	m := newReloadMetrics()
	reg.MustRegister(info, &configCollector{current, time.Now}, m.reloads, m.last)
	return reg, m
}

// configCollector shows what stands in the configuration that is in effect.
type configCollector struct {
	current func() *Config
	now     func() time.Time
}

var (
	plaintextHops = prometheus.NewDesc("callseal_plaintext_hops",
		"Always 1: a hop that the configuration accepts in the clear, by the name of its trunk or listener.",
		[]string{"name", "role", "signaling", "media"}, nil)
	// The unit is the base unit that Prometheus asks for: 86400 a day.
	certificateExpiry = prometheus.NewDesc("callseal_certificate_expiry_seconds",
		"Time until the certificate expires, negative when it has, by its place in the configuration.", []string{"name"}, nil)
)

// Describe is a prometheus.Collector's.
func (c *configCollector) Describe(out chan<- *prometheus.Desc) {
	out <- plaintextHops
	out <- certificateExpiry
}

// Collect is a prometheus.Collector's.
func (c *configCollector) Collect(out chan<- prometheus.Metric) {
	cfg := c.current()
	for _, h := range cfg.Hops {
		out <- prometheus.MustNewConstMetric(plaintextHops, prometheus.GaugeValue, 1,
			h.Name, h.Role.String(), h.Signaling.String(), h.Media.String())
	}
	for _, cert := range cfg.Certificates {
		out <- prometheus.MustNewConstMetric(certificateExpiry, prometheus.GaugeValue, cert.NotAfter.Sub(c.now()).Seconds(), cert.Place)
	}
}

// reloadMetrics count reloads.
type reloadMetrics struct {
	reloads *prometheus.CounterVec
	last    prometheus.Gauge
}

func newReloadMetrics() *reloadMetrics {
	m := &reloadMetrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_config_reloads_total",
			Help: "Reloads of the configuration by outcome: changed, unchanged, or refused, which leaves the earlier one in effect.",
		}, []string{"outcome"}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "callseal_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration was last read without a fault, the start included, in seconds since 1970.",
		}),
	}
	for _, outcome := range []string{"changed", "unchanged", "refused"} {
		m.reloads.WithLabelValues(outcome) // shown from the start, so that an increase is seen
	}
	return m
}

func (m *reloadMetrics) reloaded(outcome string) { m.reloads.WithLabelValues(outcome).Inc() }

func (m *reloadMetrics) loaded(at time.Time) { m.last.Set(float64(at.UnixMilli()) / 1000) }
