package bench

import (
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// graveTime is how long the end of a wild call is remembered: as long as anything
// of it may be repeated.
const graveTime = answerLimit + 8*time.Second

// grave is what is left of an end of a wild call. It answers what is repeated,
// and counts BYEs that must not come.
type grave struct {
	timer *time.Timer

	mu     sync.Mutex
	byes   map[uint32]bool // sequence numbers that came
	bye    *link           // that the last of them came over; nil: none came
	may    int             // how many more may come
	last   []byte          // our last response to the INVITE; nil: it was ours
	answer uint32          // sequence number of that INVITE
	ack    []byte          // of the final response to our INVITE; nil: there was none
}

// bury takes a call off that is over.
func (c *call) bury() {
	if c.result.Wild == nil {
		c.e.leave(c.id)
		return
	}
	g := &grave{byes: map[uint32]bool{}, last: c.last, ack: c.ack}
	if c.result.Party == Answering {
		g.answer = c.invite.CSeq().SeqNo
	}
	switch {
	case c.byes > 0:
		g.byes[c.byeSeq], g.bye = true, c.byeLink
	case c.hungUpHere || c.orphan || c.result.Err != nil:
		g.may = 1 // the other end's may cross ours
	}
	e, id := c.e, c.id
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.calls, id)
	if e.closed {
		return
	}
	e.graves[id] = g
	g.timer = time.AfterFunc(graveTime, func() {
		e.mu.Lock()
		delete(e.graves, id)
		e.mu.Unlock()
		e.cfg.Board.post(id, nil)
	})
}

// post answers a message to a call that is over.
func (g *grave) post(e *Endpoint, in incoming) {
	g.mu.Lock()
	defer g.mu.Unlock()
	req, ok := in.message.(*sip.Request)
	if !ok {
		res := in.message.(*sip.Response)
		if g.ack != nil && res.CSeq().MethodName == sip.INVITE && !res.IsProvisional() {
			_ = in.link.write(g.ack) // repeated; where it cannot go it will come once more
		}
		return
	}
	req.SetSource(in.link.remote.String())
	switch seq := req.CSeq().SeqNo; {
	case req.IsAck():
	case req.IsInvite() && g.last != nil && seq == g.answer:
		_ = in.link.write(g.last) // likewise
	case req.Method == sip.BYE && (g.byes[seq] || g.may > 0 || unheard(g.bye, in.link)):
		if !g.byes[seq] && !unheard(g.bye, in.link) {
			g.may--
		}
		g.byes[seq], g.bye = true, in.link
		e.reply(req, in.link, sip.StatusOK, "OK")
	case req.Method == sip.BYE:
		e.late.Add(1)
		fallthrough
	default:
		e.reply(req, in.link, sip.StatusCallTransactionDoesNotExists, "Call Does Not Exist")
	}
}

// unheard tells whether a BYE comes once more because the answer to the one
// before was lost with its connection: a new transaction with a new sequence
// number.
func unheard(before, now *link) bool { return before != nil && before != now && before.dead() }

// LateByes are the BYEs that came to wild calls which had ended at both ends, or
// had never been up.
func (e *Endpoint) LateByes() uint64 { return e.late.Load() }

// Board lets endpoints take each other's messages, as the sockets of one user
// agent do. A nil Board has none.
type Board struct {
	mu     sync.Mutex
	owners map[string]*Endpoint // by Call-ID
}

// NewBoard is for endpoints that are opened with it.
func NewBoard() *Board { return &Board{owners: map[string]*Endpoint{}} }

func (b *Board) post(id string, owner *Endpoint) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if owner == nil {
		delete(b.owners, id)
		return
	}
	b.owners[id] = owner
}

func (b *Board) owner(id string) *Endpoint {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.owners[id]
}

// Cut closes one of the endpoint's connections, without a word; false when it
// has none.
func (e *Endpoint) Cut() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for l := range e.links {
		if !l.dead() {
			_ = l.stream.Close()
			return true
		}
	}
	return false
}
