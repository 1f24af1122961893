package call

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A subscription of which nobody says anything any more is over, once.
func TestASubscriptionExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var forgotten atomic.Int32
		s := &Subscription{forget: func(*Subscription) { forgotten.Add(1) }}
		refresh := func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.until(time.Minute)
		}
		refresh()
		time.Sleep(50 * time.Second)
		refresh()
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if forgotten.Load() != 0 {
			t.Error("over before its time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s.End()
		refresh()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := forgotten.Load(); n != 1 {
			t.Errorf("forgotten %d times", n)
		}
	})
}
