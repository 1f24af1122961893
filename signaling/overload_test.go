package signaling

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"callseal/signaling/transport"
)

// At each ceiling a new call hears 503 at once, with the time after which to try
// again, and a call that is up notices nothing.
func TestCeilings(t *testing.T) {
	for _, c := range []struct {
		name, cause, want string
		limits            Limits
		up                bool // a call is up
	}{
		{"calls", "limit", "SIP/2.0 503 SBC call limit reached", Limits{Calls: 1}, true},
		{"set-ups", "setups", "SIP/2.0 503 SBC call rate limit reached", Limits{Setups: 1}, true},
		{"memory", "memory", "SIP/2.0 503 SBC memory limit reached", Limits{Memory: 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, func(cfg *Config) { cfg.Limits = c.limits })
			var ok message
			if c.up {
				ok, _ = f.answered(1)
			}
			f.setups.mu.Lock()
			f.setups.left -= 1000 // a machine that stalls for a second lets no call through
			f.setups.mu.Unlock()
			f.refusedAtOnce(t, 2, c.want)
			if got := testutil.ToFloat64(f.metrics.refused.WithLabelValues(transport.Dialer.String(), c.cause)); got < 10 {
				t.Errorf("%v refusals for %s are counted, want 10", got, c.cause)
			}
			f.dialer.send(f.invite(90, "", offer))
			if got := f.dialer.want(c.want); got.header("Retry-After") == "" {
				t.Errorf("no Retry-After in\n%s", got.text)
			}
			if c.up {
				f.hangUp(t, 1, ok)
			}
		})
	}
}
