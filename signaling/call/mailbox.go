package call

import "sync"

// mailboxLimit bounds what waits for one call. A call that is this far behind
// is being flooded by its remotes: what they ask then is turned away.
const mailboxLimit = 1000

// mailbox is the one way into a call's goroutine: functions that it runs in
// the order in which they came. Anybody may put; only the call's goroutine
// takes. It is closed by that goroutine when the call is over.
type mailbox struct {
	wake chan struct{} // holds one token while something waits

	mu     sync.Mutex // guards what follows
	items  []func()
	closed bool
}

func newMailbox() *mailbox {
	return &mailbox{wake: make(chan struct{}, 1)}
}

// put never blocks. It tells whether f will be run, and that is so until the
// box is closed: without its clocks and answers a call would never end.
func (m *mailbox) put(f func()) bool { return m.add(f, false) }

// offer is put for what a remote can send without end.
func (m *mailbox) offer(f func()) bool { return m.add(f, true) }

func (m *mailbox) add(f func(), bounded bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || bounded && len(m.items) >= mailboxLimit {
		return false
	}
	m.items = append(m.items, f)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// take waits for what is there and empties the box.
func (m *mailbox) take() []func() {
	<-m.wake
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}

// finish gives what is still there, or closes the empty box and gives nil:
// what was put is always run.
func (m *mailbox) finish() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.closed, m.items = len(items) == 0, nil
	return items
}
