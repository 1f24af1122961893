package media

import (
	"sync/atomic"

	pion "github.com/pion/srtp/v2"
	"github.com/prometheus/client_golang/prometheus"

	"callseal/media/srtp"
)

// Metrics shows one relay to Prometheus. Everything is read from the workers when it is asked for.
type Metrics struct{ relay atomic.Pointer[Relay] }

// NewMetrics registers the metrics of the relay that will be made with them.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{}
	return m, r.Register(m)
}

// watch sets the relay to read.
func (m *Metrics) watch(r *Relay) { m.relay.Store(r) }

func describeMetric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("callseal_"+name, help, labels, nil)
}

var (
	descPackets    = describeMetric("media_packets_total", "Packets that came to media ports, and that left them.", "direction", "kind")
	descBytes      = describeMetric("media_bytes_total", "UDP payload of the packets at media ports, in bytes.", "direction", "kind")
	descDrops      = describeMetric("media_drops_total", "Packets that came and were not relayed, by cause.", "cause")
	descSessions   = describeMetric("media_sessions", "Sessions now open.")
	descPorts      = describeMetric("media_port_pairs", "Port pairs of the local addresses used so far, by state.", "state")
	descLegs       = describeMetric("media_legs", "Legs now set, by the suite that we send with; none is plain RTP.", "suite")
	descPanics     = describeMetric("media_panics_total", "Panics survived by ending one session.")
	descRecoveries = describeMetric("srtp_recoveries_total", "Packets opened under another rollover counter than the likely one.", "way")
)

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descPackets, descBytes, descDrops, descSessions, descPorts, descLegs, descPanics, descRecoveries,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	r := m.relay.Load()
	if r == nil {
		return
	}
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	gauge := func(d *prometheus.Desc, value int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
	}
	sum, sessions := r.figures()
	for d := range directions {
		for k := range kinds {
			counter(descPackets, sum.packets[d][k], d.String(), k.String())
			counter(descBytes, sum.bytes[d][k], d.String(), k.String())
		}
	}
	for cause := DropNone + 1; cause < dropCount; cause++ {
		counter(descDrops, sum.drops[cause], cause.String())
	}
	for i, n := range sum.recovered {
		counter(descRecoveries, n, srtp.Recovery(i).String())
	}
	counter(descPanics, sum.panics)
	gauge(descSessions, sessions)
	for profile, n := range sum.legs {
		if name, ok := suiteLabel(pion.ProtectionProfile(profile)); ok {
			gauge(descLegs, n, name)
		}
	}
	ports := r.ports.counts()
	gauge(descPorts, int64(ports.Used), "used")
	gauge(descPorts, int64(ports.Free), "free")
	gauge(descPorts, int64(ports.Resting), "resting")
}

// suiteLabel names a suite as SDES does (RFC 4568 section 6.2, RFC 6188, RFC
// 7714), or "none" for plain RTP.
func suiteLabel(p pion.ProtectionProfile) (string, bool) {
	switch p {
	case 0:
		return "none", true
	case pion.ProtectionProfileAes128CmHmacSha1_80:
		return "AES_CM_128_HMAC_SHA1_80", true
	case pion.ProtectionProfileAes128CmHmacSha1_32:
		return "AES_CM_128_HMAC_SHA1_32", true
	case pion.ProtectionProfileAes256CmHmacSha1_80:
		return "AES_256_CM_HMAC_SHA1_80", true
	case pion.ProtectionProfileAes256CmHmacSha1_32:
		return "AES_256_CM_HMAC_SHA1_32", true
	case pion.ProtectionProfileAeadAes128Gcm:
		return "AEAD_AES_128_GCM", true
	case pion.ProtectionProfileAeadAes256Gcm:
		return "AEAD_AES_256_GCM", true
	default:
		return "", false // the null suites: never in use
	}
}
