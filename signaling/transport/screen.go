package transport

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Screener is a Handler that may refuse new calls while there are too many of them. It is asked before anything is spent on one: the INVITE is
// not parsed, no transaction is made, and the answer is stateless (RFC 3261 section 8.2.7).
type Screener interface {
	// Screen is called, from any goroutine, for an INVITE that belongs to no dialog and repeats none that was taken. nil takes it. It must be quick.
	Screen(f *Flow, callID string) *Busy
}

// Busy is the answer to a call that there is no room for.
type Busy struct {
	Status     int
	Phrase     string        // at most 50 characters of [A-Za-z0-9 ._]
	RetryAfter time.Duration // in whole seconds
}

// opensCall tells whether a message is an INVITE outside of any dialog.
func (m *message) opensCall() bool {
	if m.fault != nil || m.method() != sip.INVITE {
		return false
	}
	to, ok := m.first("To")
	return ok && !containsFold(to, ";tag=") && !containsFold(to, "; tag")
}

// repeats tells whether an INVITE is a repetition of one that has its transaction.
func (l *lane) repeats(m *message) bool {
	via := m.topVia()
	return via != nil && l.server(branchKey(via)) != nil
}

// branchKey is the key of an INVITE's server transaction as serverKey makes it, from its Via alone (RFC 3261 section 17.2.3). It fits no
// transaction of an RFC 2543 client, whose branch says nothing.
func branchKey(via *sip.ViaHeader) string {
	branch, _ := via.Params.Get("branch")
	port := via.Port
	if port <= 0 {
		port = sip.DefaultPort(via.Transport)
	}
	return strings.Join([]string{branch, via.Host, strconv.Itoa(port), string(sip.INVITE)}, sip.TxSeperator)
}

// screened asks the handler about a new call, and answers for it where there is no room.
func (e *Endpoint) screened(m *message, f *Flow) (refused bool) {
	s, ok := e.handler.(Screener)
	if !ok {
		return false
	}
	defer func() {
		if p := recover(); p != nil {
			_ = e.recovered("screen", p) // logged there; the lane answers
		}
	}()
	callID, _ := m.first("Call-ID")
	busy := s.Screen(f, callID)
	if busy == nil {
		return false
	}
	flt := &fault{cause: overload, status: busy.Status, phrase: busy.Phrase, retryAfter: busy.RetryAfter}
	if b := refuse(m, flt, f.remote, e.server); b != nil {
		_ = e.transmit(f, replyToMessage(m, f.remote), b) // lost like any other answer: the caller repeats
	}
	return true
}

// crowded tells whether a new call would have to wait behind too many messages. What belongs to a call that is there waits as long as need be.
func (l *lane) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting >= l.endpoint.limits.CallQueue
}

// Dismiss sends a final response and ends the transaction at once: nothing is kept for its repetitions, nor until its ACK comes. It is for
// requests of strangers, who could otherwise make us keep as much as they like. The response has the same To tag each time (RFC 3261 section
// 8.2.7). Its errors are those of Respond.
func (t *ServerTx) Dismiss(res *sip.Response) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over() {
		return ErrEnded
	}
	if t.status != 0 {
		return ErrAnswered
	}
	t.stopTrying()
	t.status = res.StatusCode
	if to := res.To(); to != nil && !t.request.To().Params.Has("tag") {
		to.Params.Add("tag", statelessTag(t.request.CallID().Value(), t.request.From().Value()))
	}
	setLength(res)
	err := t.wire.WriteMsg(res)
	t.machine.Terminate()
	return err
}
