package call

import "testing"

// What the call needs for its end is never turned away; what a remote asks
// is, when it floods.
func TestMailboxUnderAFlood(t *testing.T) {
	m := newMailbox()
	for m.offer(func() {}) {
		continue
	}
	ran := false
	if !m.put(func() { ran = true }) {
		t.Fatal("a clock of the call's own is turned away")
	}
	items := m.take()
	items[len(items)-1]()
	if !ran || len(items) != mailboxLimit+1 {
		t.Errorf("%d items, ran %v", len(items), ran)
	}
}

func TestAMailboxClosesEmpty(t *testing.T) {
	m := newMailbox()
	m.put(func() {})
	if left := m.finish(); len(left) != 1 {
		t.Errorf("%d are left, want the one that nobody took", len(left))
	}
	if !m.put(func() {}) || len(m.finish()) != 1 {
		t.Error("closed although something was in it")
	}
	if left := m.finish(); left != nil {
		t.Errorf("%d are left in an empty box", len(left))
	}
	if m.put(func() {}) || m.offer(func() {}) {
		t.Error("a closed mailbox takes something")
	}
}
