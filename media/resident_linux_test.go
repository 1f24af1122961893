package media

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	pion "github.com/pion/srtp/v2"
)

// BenchmarkResident is what the process's resident memory grows by for each of 2,000 calls with SRTP on both legs: B/call.
// Run each suite in a process of its own, since what one leaves behind the next one uses.
func BenchmarkResident(b *testing.B) {
	const calls = 2000
	for _, profile := range []pion.ProtectionProfile{profiles[0], profiles[4]} {
		b.Run(suiteName(profile), func(b *testing.B) {
			r := startRelay(b, Config{Ports: PortRange{Min: 20000, Max: 29999}})
			open := func(n int) {
				for range n {
					s, err := r.Open(loopback, loopback)
					if err != nil {
						b.Fatal(err)
					}
					for side := range Side(2) {
						at := netip.AddrPortFrom(loopback, 9)
						if err := s.Set(side, Remote{RTP: at, RTCP: at, Receive: newKey(b, profile), Send: newKey(b, profile)}); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			open(100)
			before := resident(b)
			open(calls)
			b.ReportMetric(float64(resident(b)-before)/calls, "B/call")
		})
	}
}

// resident returns this process's resident memory in bytes.
func resident(b *testing.B) int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize()
}
