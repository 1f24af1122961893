package call

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/media"
	"callseal/sdp"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// Outcome is how a call ended, for counters.
type Outcome uint8

// A call has exactly one outcome.
const (
	Failed     Outcome = iota // we could not: our fault, or B out of reach
	Answered                  // B answered and A was told
	Cancelled                 // A gave up
	Busy                      // B said 486 or 600
	Rejected                  // B said another final code
	Refused                   // A's INVITE was not acceptable
	Challenged                // B asked A for a password: the INVITE that brings it is the call
)

func (o Outcome) String() string {
	switch o {
	case Failed:
		return "failed"
	case Answered:
		return "answered"
	case Cancelled:
		return "cancelled"
	case Busy:
		return "busy"
	case Rejected:
		return "rejected"
	case Refused:
		return "refused"
	case Challenged:
		return "challenged"
	}
	return "unknown"
}

// originLocal is the cause origin of what we did ourselves; the others are
// roles.
const originLocal = "local"

func originOf(p Party) string { return p.Role.String() }

// Summary is what is left of a call: its line in the log and its counters.
type Summary struct {
	start, rang, answer  time.Time
	final                time.Time // when A got its final answer, or was about to
	outcome              Outcome
	code                 int    // final code that A got
	endedBy, cause       string // who ended the call, and why; first comes, first stays
	origin               string
	reason               []sip.Header // headers of the BYE that came
	from, to, callerCode string       // numbers, and VICIdial's caller code
	callType             header.CallType
	suites               [2]string
	oneWay               []string // legs that were not heard, each with the cause
}

func newSummary(c *Call) Summary {
	invite := c.inA.Request()
	to := invite.Recipient.User
	if p := c.b.party.Phone; p != nil {
		to = p.AOR().User
	}
	return Summary{
		start:      time.Now(),
		from:       header.Number(invite.From().Address),
		to:         to,
		callerCode: invite.From().DisplayName,
		callType:   typeOf(c.caller.Role, invite),
	}
}

// typeOf tells what a call is for. Only a dialer's name for it is VICIdial's.
func typeOf(caller transport.Role, invite *sip.Request) header.CallType {
	switch caller {
	case transport.Dialer:
		return header.TypeOfCode(invite.From().DisplayName)
	case transport.Carrier:
		return header.Inbound
	case transport.Phone:
	}
	return header.Other
}

// end notes who ended the call and why; what comes later is only a
// consequence.
func (s *Summary) end(by, cause, origin string) {
	if s.endedBy == "" {
		s.endedBy, s.cause, s.origin = by, cause, origin
	}
}

// cancelled notes that A gave up before the answer.
func (s *Summary) cancelled(by Party, cause string) {
	s.end(by.Name, cause, originOf(by))
	s.outcome = Cancelled
}

func (s *Summary) ringing() {
	if s.rang.IsZero() {
		s.rang = time.Now()
	}
}

func (s *Summary) answered() {
	s.answer, s.outcome, s.code = time.Now(), Answered, 200
	s.final = s.answer
}

// told notes the final code that A got in our own words.
func (s *Summary) told(code int) {
	if s.code == 0 {
		s.code, s.final = code, time.Now()
	}
}

// untold takes an answer back that A was not told of: it waited for a PRACK.
func (s *Summary) untold(code int) {
	s.code, s.outcome = 0, Failed
	if code == 487 {
		s.outcome = Cancelled
	}
}

// reject notes B's final code.
func (s *Summary) reject(code int, cause string, by Party) {
	s.end(by.Name, cause, originOf(by))
	s.code, s.outcome, s.final = code, Rejected, time.Now()
	if code == 486 || code == 600 {
		s.outcome = Busy
	}
}

func (s *Summary) hungUp(by Party, bye *sip.Request) {
	if s.answer.IsZero() && s.endedBy == "" {
		s.outcome = Cancelled
	}
	s.end(by.Name, "BYE"+reasonOf(bye), originOf(by))
	if s.reason == nil {
		s.reason = bye.Headers()
	}
}

// timeout notes a clock that ends the call, unless it ran out too late to
// matter.
func (s *Summary) timeout(t timer, in state) {
	switch {
	case t == ringTimer && in == calling:
		s.end("callseal", "rang too long", originLocal)
	case t == ackTimer && in == answering, t == confirmTimer && talking(in):
		s.end("callseal", "no ACK came", originLocal)
	case t == lengthTimer && in == up:
		s.end("callseal", "longest call length reached", originLocal)
	}
}

// reasons are what our BYE says of why (Reason, RFC 3326): what crosses of the
// BYE that came, or our own words.
func (s *Summary) reasons(way header.Way) []sip.Header {
	if s.endedBy != "callseal" {
		return way.Cross(header.Ending, s.reason)
	}
	return []sip.Header{sip.NewHeader("Reason", fmt.Sprintf(`SIP;cause=503;text="%s"`, header.Phrase(s.cause)))}
}

func reasonOf(req *sip.Request) string {
	if h := req.GetHeader("reason"); h != nil {
		return " (" + header.Clean(h.Value()) + ")"
	}
	return ""
}

// media notes the suites of both legs, unless B never said what it takes:
// then no audio passed.
func (s *Summary) media(n *negotiation) {
	if n.ends[sideB].said == nil {
		return
	}
	s.suites[sideA] = suiteName(n.ends[sideA].key)
	s.suites[sideB] = suiteName(n.ends[sideB].key)
}

func suiteName(key *sdp.Crypto) string {
	if key == nil {
		return plainSuite
	}
	return sdp.SuiteName(key.Suite)
}

// plainSuite is the suite label of RTP in the clear.
const plainSuite = "none"

// finish counts the call and writes its one line.
func (s *Summary) finish(c *Call) {
	c.house.Metrics.finished(c)
	end := time.Now()
	talk := time.Duration(0)
	if !s.answer.IsZero() {
		talk = end.Sub(s.answer)
	}
	attrs := []slog.Attr{
		slog.String("call", c.id),
		slog.String("from", c.a.party.Name+"/"+s.from),
		slog.String("to", c.b.party.Name+"/"+s.to),
		slog.String("caller_code", s.callerCode),
		slog.String("call_type", s.callType.String()),
		slog.String("outcome", s.outcome.String()),
		slog.Int("code", s.code),
		slog.String("setup", end.Sub(s.start).Truncate(time.Millisecond).String()),
		slog.String("talk", talk.Truncate(time.Millisecond).String()),
		slog.String("leg_a", s.leg(&c.a, sideA)),
		slog.String("leg_b", s.leg(&c.b, sideB)),
		slog.String("audio_a", audio(c.figures(media.A))),
		slog.String("audio_b", audio(c.figures(media.B))),
		slog.String("ended_by", s.endedBy),
		slog.String("cause", s.cause),
		slog.String("one_way", strings.Join(s.oneWay, " ")),
	}
	if len(c.attempts.tried) > 0 {
		attrs = append(attrs, slog.String("tried", strings.Join(c.attempts.tried, " ")))
	}
	if !s.answer.IsZero() {
		attrs[7] = slog.String("setup", s.answer.Sub(s.start).Truncate(time.Millisecond).String())
	}
	if s.outcome == Challenged {
		c.house.Log.LogAttrs(context.Background(), slog.LevelDebug, "call challenged", attrs...)
		return
	}
	c.house.Log.LogAttrs(context.Background(), slog.LevelInfo, "call ended", attrs...)
}

// leg names how one hop was carried: "TLS 1.3 + AES_CM_128_HMAC_SHA1_80".
func (s *Summary) leg(l *leg, side side) string {
	how := s.suites[side]
	switch how {
	case "":
		how = "no media"
	case plainSuite:
		how = "RTP in the clear"
	}
	return l.signaling() + " + " + how
}
