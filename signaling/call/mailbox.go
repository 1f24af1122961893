package call

import "sync"

// mailboxLimit bounds what waits for one call. A call that is this far behind
// is being flooded by its remotes: what they ask then is turned away.
const mailboxLimit = 1000

// mailbox is the one way into a call: functions that are run one at a time, in
// the order in which they came. Anybody may put. Who runs them is a goroutine that
// lasts as long as there are some: what puts the first one into an empty box
// starts it, and it alone takes. A call about which nothing happens has none.
type mailbox struct {
	turn func() // runs what is there; never mutated once somebody may put

	mu     sync.Mutex // guards what follows
	items  []func()
	taken  bool // a turn is under way: what is put is its to run
	closed bool
}

// newMailbox makes one whose first turn is under way.
func newMailbox() *mailbox { return &mailbox{taken: true} }

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
	if !m.taken {
		m.taken = true
		go m.turn() // ends when the box is empty; the call, when it is over, is waited for by Server.Run
	}
	return true
}

// take empties the box. nil: there is nothing, and the turn is over.
func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	m.taken = items != nil
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
