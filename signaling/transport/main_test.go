package transport

import (
	"os"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"
)

// testT1 is T1 for this package's tests: sipgo's timers are package-wide, so they are set once, before anything runs.
const testT1 = 20 * time.Millisecond

func TestMain(m *testing.M) {
	if os.Getenv(descriptorChild) != "" {
		os.Exit(m.Run()) // a subprocess of TestDescriptorsRunOut
	}
	sip.SetTimers(testT1, 4*testT1, 5*testT1)
	goleak.VerifyTestMain(m)
}
