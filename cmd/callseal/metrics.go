package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newRegistry makes the registry that /metrics shows, with what the process
// itself and the configuration have to say.
func newRegistry(cfg *Config) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	v := buildVersion()
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "callseal_build_info",
		Help: "Always 1; the labels say what this binary was built from.",
	}, []string{"version", "revision", "go"})
	info.WithLabelValues(v.Version, v.Revision, v.Go).Set(1)

	hops := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "callseal_plaintext_hops",
		Help: "Always 1: a hop that the configuration accepts in the clear, by the name of its trunk or listener.",
	}, []string{"name", "role", "signaling", "media"})
	for _, h := range cfg.Hops {
		hops.WithLabelValues(h.Name, h.Role.String(), h.Signaling.String(), h.Media.String()).Set(1)
	}
	reg.MustRegister(info, hops)
	for _, c := range cfg.Certificates {
		reg.MustRegister(certificateGauge(c, time.Now))
	}
	return reg
}

// certificateGauge counts down to the end of a certificate. The unit is the
// base unit that Prometheus asks for: 86400 a day.
func certificateGauge(c namedCertificate, now func() time.Time) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "callseal_certificate_expiry_seconds",
		Help:        "Time until the certificate expires, negative when it has, by its place in the configuration.",
		ConstLabels: prometheus.Labels{"name": c.Place},
	}, func() float64 { return c.NotAfter.Sub(now()).Seconds() })
}
