package call

import (
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "18000;duration=3600": 5 * time.Hour, "120 (I'm in a meeting)": 2 * time.Minute, "soon": 0, "-1": 0, "99999999999": 0,
	} {
		res := sip.NewResponse(503, "Service Unavailable")
		if value != "" {
			res.AppendHeader(sip.NewHeader("Retry-After", value))
		}
		if got := RetryAfter(res); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
