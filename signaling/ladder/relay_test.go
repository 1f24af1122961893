package ladder

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"callseal/media"
	"callseal/media/srtp"
	"callseal/signaling/call"
)

// studio is the media relay of these tests: it moves no packet, and remembers what each side of each session was set to.
type studio struct {
	mu       sync.Mutex // guards the rest
	sessions []*session
	fault    error // of the next Open
	note     func(string)
	// audio tells of A and B whether packets come now, lastAudio when the last one came.
	audio     map[string]bool
	lastAudio map[string]time.Time
}

var _ call.Relay = (*studio)(nil)

// session is one media session.
type session struct {
	studio *studio
	number int // from 1
	sides  [2]side
	closed int // how often
	tell   func(media.Event)
	up     bool // Answered was called
}

// side is one side of a session as it was set last.
type side struct {
	local  netip.Addr
	set    int // how often
	remote media.Remote
	// newReceive and newSend: the last Set changed this key. The first does not.
	newReceive, newSend bool
}

func (s *studio) Open(a, b netip.Addr) (call.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fault; err != nil {
		s.fault = nil
		return nil, err
	}
	n := &session{studio: s, number: len(s.sessions) + 1}
	n.sides[0].local, n.sides[1].local = a, b
	s.sessions = append(s.sessions, n)
	return n, nil
}

// Local gives each side of each session ports of its own.
func (n *session) Local(s media.Side) (rtp, rtcp netip.AddrPort) {
	port := uint16(20000 + 4*n.number + 2*int(s))
	return netip.AddrPortFrom(n.sides[s].local, port), netip.AddrPortFrom(n.sides[s].local, port+1)
}

func (n *session) Set(s media.Side, r media.Remote) error {
	n.studio.mu.Lock()
	defer n.studio.mu.Unlock()
	if n.closed > 0 {
		return media.ErrClosed
	}
	if r.RTP.IsValid() && r.RTP.Addr().Is4() != n.sides[s].local.Is4() {
		return media.ErrFamily
	}
	d := &n.sides[s]
	d.newReceive = d.set > 0 && !sameKey(d.remote.Receive, r.Receive)
	d.newSend = d.set > 0 && !sameKey(d.remote.Send, r.Send)
	d.remote = r
	d.set++
	n.studio.note(fmt.Sprintf("media %s: %s", strings.ToUpper(s.String()), d))
	return nil
}

func sameKey(a, b *srtp.Key) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

func (n *session) Notify(tell func(media.Event)) {
	n.studio.mu.Lock()
	defer n.studio.mu.Unlock()
	n.tell = tell
}

func (n *session) Answered() {
	n.studio.mu.Lock()
	defer n.studio.mu.Unlock()
	n.up = true
}

// Stats say only when the last packet came.
func (n *session) Stats() (stats media.Stats) {
	n.studio.mu.Lock()
	defer n.studio.mu.Unlock()
	for i, name := range [...]string{"A", "B"} {
		stats.Side[i].Last = n.studio.lastAudio[name]
		if n.studio.audio[name] {
			stats.Side[i].Last = time.Now()
		}
	}
	return stats
}

func (n *session) Close() media.Stats {
	n.studio.mu.Lock()
	defer n.studio.mu.Unlock()
	n.closed++
	if n.closed == 1 {
		n.studio.note("media closed")
	}
	return media.Stats{}
}

// String shows a side in the words that a script may ask for. It has no key in it.
func (d *side) String() string {
	r := d.remote
	words := []string{r.RTP.String()}
	word := func(ok bool, yes, no string) {
		if ok {
			words = append(words, yes)
		} else if no != "" {
			words = append(words, no)
		}
	}
	word(r.Hold, "hold", "live")
	word(r.Receive != nil, "sealed", "plain")
	word(r.Mux, "mux", "")
	word(d.newReceive, "newreceive", "")
	word(d.newSend, "newsend", "")
	return strings.Join(words, " ")
}

// open counts the sessions that are not closed.
func (s *studio) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.sessions {
		if c.closed == 0 {
			n++
		}
	}
	return n
}
