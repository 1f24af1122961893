package transport

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Offence is what somebody did who is not one of ours.
type Offence uint8

// The offences.
const (
	OffenceUnknown   Offence = iota + 1 // a request from an address that belongs to nobody
	OffenceMalformed                    // a message that cannot be read
	OffenceScanner                      // a request of a program that looks for telephone systems
	OffenceDigest                       // a wrong password
)

// Offences lists every offence.
func Offences() []Offence {
	return []Offence{OffenceUnknown, OffenceMalformed, OffenceScanner, OffenceDigest}
}

// String gives the name used in logs and metrics.
func (o Offence) String() string {
	switch o {
	case OffenceUnknown:
		return "unknown"
	case OffenceMalformed:
		return "malformed"
	case OffenceScanner:
		return "scanner"
	case OffenceDigest:
		return "digest"
	default:
		return fmt.Sprintf("offence(%d)", uint8(o))
	}
}

// advice says what to change where one of ours was banned.
func (o Offence) advice() string {
	switch o {
	case OffenceUnknown:
		return "if this is one of yours, add it to sources of the dialer, carrier or phones' listener that it belongs to"
	case OffenceMalformed:
		return "if this is a telephone of yours, look at what it sends, and update it"
	case OffenceScanner:
		return "if this is a telephone of yours, take its name out of trust.scanners"
	case OffenceDigest:
		return "if this is a telephone of yours, correct its user name or password"
	}
	return ""
}

// BanRule says when an address is banned. The zero value bans nobody.
type BanRule struct {
	After  int           // offences that lead to a ban
	Within time.Duration // counted from the first of them
	For    time.Duration // how long a ban lasts
}

// Ban is an address of which nothing is taken, but for what Door says.
type Ban struct {
	Who    netip.Prefix // an IPv4 address, or an IPv6 /64
	Stream bool         // TCP and TLS; else UDP. An address may be banned on both
	// Door: phones there may still register where phones do, which ends the ban.
	// An office has one address, and all of its phones ask for something after
	// a restart of ours or of its router, before they register anew.
	Door    bool
	Why     Offence // the last one
	Since   time.Time
	Until   time.Time
	Dropped uint64 // datagrams, messages or connections since
}

// Transports names what is banned of the address.
func (b Ban) Transports() string {
	if b.Stream {
		return "tcp, tls"
	}
	return "udp"
}

// mark is whom an offence is counted for. UDP and streams are kept apart: anybody can write another one's address on a datagram, and shall not
// get that one's connections cut.
type mark struct {
	addr   [16]byte // of the neighbourhood; IPv4 as mapped into IPv6
	stream bool
}

func markOf(a netip.Addr, p Proto) mark {
	return mark{Neighbourhood(a).Addr().As16(), p.Stream()}
}

func (m mark) prefix() netip.Prefix { return Neighbourhood(netip.AddrFrom16(m.addr)) }

// maxSuspects and maxBans bound what is remembered, whatever is forged; beyond them the oldest is forgotten. They are apart, so that a flood of
// forged addresses with one datagram each forgets no ban.
const (
	maxSuspects = 1 << 15
	maxBans     = 1 << 15
)

// suspect has committed offences, but not enough. Times are counted since bans.began.
type suspect struct {
	offences int           // since the last ban
	grave    int           // of them and those before: what closes the door
	since    time.Duration // of the first
	heard    [4]uint64     // what was sent last; 0 is nothing
}

// repeats tells whether the same was heard a moment ago, and keeps it.
func (s *suspect) repeats(what uint64) bool {
	if what == 0 {
		return false
	}
	if slices.Contains(s.heard[:], what) {
		return true
	}
	copy(s.heard[1:], s.heard[:])
	s.heard[0] = what
	return false
}

// sentence is a ban as it is kept.
type sentence struct {
	why          Offence
	door         bool
	since, until time.Duration
	dropped      uint64
}

// bans counts offences and knows who is banned. Time is an argument.
type bans struct {
	began  time.Time
	living atomic.Int64 // len of banned, for those who only look

	mu       sync.Mutex // guards the rest
	rule     BanRule
	suspects ledger[suspect]
	banned   ledger[sentence] // in the order of their end
}

func newBans(rule BanRule, now time.Time) *bans {
	return &bans{rule: rule, began: now, suspects: newLedger[suspect](maxSuspects), banned: newLedger[sentence](maxBans)}
}

// ban is a sentence as it is shown.
func (b *bans) ban(who mark, s sentence) Ban {
	return Ban{Who: who.prefix(), Stream: who.stream, Door: s.door, Why: s.why, Since: b.began.Add(s.since), Until: b.began.Add(s.until), Dropped: s.dropped}
}

// offence is one as it is counted.
type offence struct {
	why   Offence
	grave bool   // committed by registering: enough of these are a ban without a door
	what  uint64 // what is heard again, as of a client over UDP that gets no answer, is one offence; 0 is always another one
}

// offend counts an offence; ok says that it led to a ban, or closed the door of one.
func (b *bans) offend(who mark, o offence, now time.Time) (ban Ban, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rule.After <= 0 {
		return Ban{}, false
	}
	at := now.Sub(b.began)
	b.expire(at)
	before := b.banned.get(who)
	if before != nil && (!before.door || !o.grave) {
		return Ban{}, false // was on its way when the ban came
	}
	s := b.suspects.get(who)
	if s == nil {
		s = b.suspects.add(who)
		s.since = at
	} else {
		b.suspects.renew(who)
	}
	if at-s.since > b.rule.Within {
		*s = suspect{since: at}
	}
	if s.offences+s.grave == 0 { // the first since a ban with a door
		s.since = at
	}
	if s.repeats(o.what) {
		return Ban{}, false
	}
	s.offences++
	if o.grave {
		s.grave++
	}
	door := s.grave < b.rule.After
	if door && (before != nil || s.offences < b.rule.After) {
		return Ban{}, false
	}
	if s.offences = 0; !door || s.grave == 0 {
		b.suspects.drop(who)
	}
	dropped := uint64(0)
	if before != nil {
		dropped = before.dropped
		b.banned.drop(who)
	}
	*b.banned.add(who) = sentence{why: o.why, door: door, since: at, until: at + b.rule.For, dropped: dropped}
	b.living.Store(int64(b.banned.len()))
	return b.ban(who, *b.banned.get(who)), true
}

func (b *bans) setRule(rule BanRule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rule = rule
}

// holds tells whether somebody is banned, and whether with a door.
func (b *bans) holds(who mark, now time.Time) (held, door bool) {
	if b.living.Load() == 0 {
		return false, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.banned.get(who)
	if s == nil || now.Sub(b.began) >= s.until {
		return false, false
	}
	return true, s.door
}

// drop counts what is dropped for a ban.
func (b *bans) drop(who mark) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.banned.get(who); s != nil {
		s.dropped++
	}
}

// lift ends the bans of an address, and forgets its offences.
func (b *bans) lift(who mark, now time.Time) (lifted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire(now.Sub(b.began))
	b.suspects.drop(who)
	lifted = b.banned.drop(who)
	b.living.Store(int64(b.banned.len()))
	return lifted
}

// sweep forgets the bans that are over, and says when the next one will be; false when none is left.
func (b *bans) sweep(now time.Time) (next time.Time, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire(now.Sub(b.began))
	if first := b.banned.eldest(); first != nil {
		return b.began.Add(first.until), true
	}
	return time.Time{}, false
}

// expire forgets the bans that are over; the caller holds mu.
func (b *bans) expire(at time.Duration) {
	for first := b.banned.eldest(); first != nil && at >= first.until; first = b.banned.eldest() {
		b.banned.dropEldest()
	}
	b.living.Store(int64(b.banned.len()))
}

// all lists the bans, the oldest first.
func (b *bans) all(now time.Time) []Ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := now.Sub(b.began)
	b.expire(at)
	list := make([]Ban, 0, b.banned.len())
	b.banned.each(func(who mark, s sentence) {
		if at < s.until { // after a change of the rule the eldest need not end first
			list = append(list, b.ban(who, s))
		}
	})
	return list
}
