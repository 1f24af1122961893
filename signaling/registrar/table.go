package registrar

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// Table is what is known of phones. It is safe for all.
//
//	(200 of the dialer) here -> gone (its flow died) -> here (registered anew)
//	here, gone -> forgotten: expired, or removed by a REGISTER
type Table struct {
	metrics *Metrics
	limit   int
	changed func(Phone, Presence) // under mu; nil: nobody asks

	mu       sync.Mutex // guards what follows
	bindings map[string]*binding
	byFlow   map[string][]*binding // by the ID of the flow
	byUser   map[string]int        // how many an AOR has
	byAddr   map[netip.Addr]int    // how many are at an address
	closed   bool
}

// binding is one phone's registration. Table's mu guards it.
type binding struct {
	token   string
	ask     *Ask
	seq     uint32 // of the REGISTER that it comes from
	flow    *transport.Flow
	gone    bool // its flow died, or it has stopped answering
	dialer  string
	also    []string // other dialers that call it
	agent   string   // User-Agent
	sealed  bool
	began   time.Time
	put     time.Time // when it registered last
	expires time.Time
	end     *time.Timer // forgets it
	watch   watch
	ping    *time.Timer // the next of our keep-alives
	counted kind        // what the gauge holds it for
}

// kind are the labels of the gauge.
type kind struct {
	proto  string // "" is not counted
	sealed bool
}

// NewTable makes one that keeps at most limit phones.
func NewTable(limit int, m *Metrics) *Table {
	return &Table{metrics: m, limit: limit, bindings: map[string]*binding{}, byFlow: map[string][]*binding{}, byUser: map[string]int{}, byAddr: map[netip.Addr]int{}}
}

// Entry is what a dialer has said 200 to.
type Entry struct {
	Ask    *Ask
	Seq    uint32 // of the phone's REGISTERs; 0 comes after all
	Flow   *transport.Flow
	Dialer string   // by name
	Also   []string // other dialers that call it
	Agent  string   // the phone's User-Agent
	Sealed bool     // nobody else can read what it says and hears
	Expiry time.Duration
}

// Phone is a registered phone as calls know it. Two of one phone are equal. Its
// methods find nothing once the phone is forgotten.
type Phone struct {
	table *Table
	token string
}

// Token is the user part of the contact by which its dialer reaches it.
func (p Phone) Token() string { return p.token }

// Flow is the path by which it is reached now, or nil.
func (p Phone) Flow() *transport.Flow {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	if b := p.table.bindings[p.token]; b != nil && !b.gone && b.flow.Alive() {
		return b.flow
	}
	return nil
}

// Contact is the URI that it registered.
func (p Phone) Contact() sip.Uri {
	if b := p.get(); b != nil {
		return *b.ask.Contact.Address.Clone()
	}
	return sip.Uri{}
}

// AOR is the address that it is registered for.
func (p Phone) AOR() sip.Uri {
	if b := p.get(); b != nil {
		return *b.ask.AOR.Clone()
	}
	return sip.Uri{}
}

// Path is the way to its Contact (RFC 3327).
func (p Phone) Path() []sip.Uri {
	if b := p.get(); b != nil {
		return b.ask.Path
	}
	return nil
}

// Dialog are the identifiers that stand in the place of a phone's own in what
// is said to a dialer for it: the same for the same, so that its answer to a
// challenge belongs to that challenge.
func (p Phone) Dialog(callID, tag string) (ourCallID, ourTag string) {
	return dialogOf(p.token, callID, tag)
}

// Dialer is the name of the one that it is registered with, or "".
func (p Phone) Dialer() string {
	if b := p.get(); b != nil {
		return b.dialer
	}
	return ""
}

// get gives a copy of what is known, or nil.
func (p Phone) get() *binding {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	if b := p.table.bindings[p.token]; b != nil {
		known := *b
		return &known
	}
	return nil
}

// Find gives the phone with a token; false where there is none.
func (t *Table) Find(token string) (Phone, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Phone{t, token}, t.bindings[token] != nil
}

// Has tells whether a phone has registered over a flow.
func (t *Table) Has(f *transport.Flow) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byFlow[f.ID()]) > 0
}

// Knows tells whether a phone of that user is registered at a dialer.
func (t *Table) Knows(dialer, user string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byUser[user] == 0 {
		return false
	}
	for _, b := range t.bindings {
		if b.ask.User == user && b.dialer == dialer {
			return true
		}
	}
	return false
}

// On tells whether a phone of that user has registered over a flow.
func (t *Table) On(f *transport.Flow, user string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.byFlow[f.ID()], func(b *binding) bool { return b.ask.User == user })
}

// IsAt tells whether a phone of that user has registered from an address.
func (t *Table) IsAt(user string, a netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byUser[user] == 0 || t.byAddr[a.Unmap()] == 0 {
		return false
	}
	for _, b := range t.bindings {
		if b.ask.User == user && address(b.flow) == a.Unmap() {
			return true
		}
	}
	return false
}

// At tells whether a phone has registered from an address.
func (t *Table) At(a netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byAddr[a.Unmap()] > 0
}

func address(f *transport.Flow) netip.Addr { return f.Remote().Addr().Unmap() }

// Caller gives the phone that says over a flow that it is user: one of those
// that have registered over it. Who hides its name is the only one there.
func (t *Table) Caller(f *transport.Flow, from sip.Uri) (Phone, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.byFlow[f.ID()]
	for _, b := range all {
		if b.ask.User == from.User {
			t.revive(b)
			return Phone{t, b.token}, true
		}
	}
	if len(all) == 1 && strings.EqualFold(from.Host, "anonymous.invalid") { // RFC 3323 section 4.1.1.3
		t.revive(all[0])
		return Phone{t, all[0].token}, true
	}
	return Phone{}, false
}

// Put keeps what a dialer has accepted. moved tells whether the phone was known
// by another flow before; ok is false where there is no room. Where an AOR has
// as many as it may, the one goes that was heard of longest ago: the dialer has
// said yes to the new one, and keeps no more of them itself.
func (t *Table) Put(e Entry) (p Phone, moved, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := token(e.Ask.User, e.Ask.identity)
	p = Phone{t, id}
	b := t.bindings[id]
	switch {
	case t.closed:
		return p, false, false
	case b != nil && e.Seq != 0 && e.Seq < b.seq: // the phone has asked anew meanwhile, and that was answered first
		return p, false, true
	case b == nil && len(t.bindings) >= t.limit:
		return p, false, false
	case b == nil:
		if t.byUser[e.Ask.User] >= MaxOfOne {
			t.forget(t.stalest(e.Ask.User))
		}
		b = &binding{token: id, began: time.Now()}
		t.bindings[id] = b
		t.byUser[e.Ask.User]++
	default:
		moved = b.gone || b.flow.ID() != e.Flow.ID()
		t.leave(b)
	}
	if moved {
		b.watch = watch{}
	}
	b.seq = e.Seq
	b.ask, b.flow, b.dialer, b.also, b.agent, b.sealed = e.Ask, e.Flow, e.Dialer, e.Also, e.Agent, e.Sealed
	b.gone = false
	b.put = time.Now()
	b.expires = b.put.Add(e.Expiry)
	t.byFlow[e.Flow.ID()] = append(t.byFlow[e.Flow.ID()], b)
	t.byAddr[address(e.Flow)]++
	if b.end != nil {
		b.end.Stop()
	}
	var end *time.Timer
	end = time.AfterFunc(e.Expiry+grace, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.bindings[id] == b && b.end == end {
			t.forget(b)
		}
	})
	b.end = end
	t.count(b)
	if !e.Flow.Alive() { // it died before the dialer's answer came
		t.lose(b)
	}
	return p, moved, true
}

// grace is for a REGISTER that comes at the last moment and is challenged first.
const grace = 5 * time.Second

// Remove forgets the phone that an Ask means, and what else it removes.
func (t *Table) Remove(a *Ask) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.All {
		for _, b := range t.bindings {
			if b.ask.User == a.User {
				t.forget(b)
			}
		}
		return
	}
	keep := ""
	if a.Contact != nil && !a.Remove {
		keep = token(a.User, a.identity)
	}
	gone := a.others
	if a.Remove && a.Contact != nil {
		gone = append(slices.Clone(gone), token(a.User, a.identity))
	}
	for _, id := range gone {
		if b := t.bindings[id]; b != nil && id != keep {
			t.forget(b)
		}
	}
}

// stalest is the phone of an AOR to be forgotten first: one that is gone, else
// the one that registered longest ago. The caller holds mu, and there is one.
func (t *Table) stalest(user string) *binding {
	var found *binding
	for _, b := range t.bindings {
		switch {
		case b.ask.User != user:
		case found == nil || b.gone && !found.gone || b.gone == found.gone && b.put.Before(found.put):
			found = b
		}
	}
	return found
}

// forget takes a phone out; the caller holds mu.
func (t *Table) forget(b *binding) {
	b.end.Stop()
	if b.ping != nil {
		b.ping.Stop()
	}
	t.leave(b)
	delete(t.bindings, b.token)
	if t.byUser[b.ask.User]--; t.byUser[b.ask.User] == 0 {
		delete(t.byUser, b.ask.User)
	}
	b.flow, b.gone = nil, true
	t.count(b)
}

// leave takes a phone off its flow; the caller holds mu.
func (t *Table) leave(b *binding) {
	if b.flow == nil {
		return
	}
	at := address(b.flow)
	if t.byAddr[at]--; t.byAddr[at] == 0 {
		delete(t.byAddr, at)
	}
	id := b.flow.ID()
	left := slices.DeleteFunc(slices.Clone(t.byFlow[id]), func(o *binding) bool { return o == b })
	if len(left) == 0 {
		delete(t.byFlow, id)
		return
	}
	t.byFlow[id] = left
}

// Lost marks the phones as gone that were reached over a flow which died.
func (t *Table) Lost(f *transport.Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.byFlow[f.ID()] {
		t.lose(b)
	}
}

// lose marks a phone as gone; the caller holds mu.
func (t *Table) lose(b *binding) {
	if b.gone {
		return
	}
	b.gone = true
	t.metrics.lost(b.flow.Proto())
	t.count(b)
}

// revive takes a phone for reachable again that was thought to be silent, and is
// heard; the caller holds mu.
func (t *Table) revive(b *binding) {
	if b.gone && b.flow.Alive() {
		b.gone = false
		t.count(b)
	}
}

// count brings the gauge up to date; the caller holds mu.
func (t *Table) count(b *binding) {
	now := kind{}
	if b.flow != nil && !b.gone {
		now = kind{b.flow.Proto().String(), b.sealed}
	}
	if now != b.counted {
		t.metrics.registered(b.counted, -1)
		t.metrics.registered(now, +1)
		b.counted = now
	}
	if t.changed == nil {
		return
	}
	is := Here
	switch {
	case b.flow == nil:
		is = Forgotten
	case b.gone:
		is = Lost
	}
	t.changed(Phone{t, b.token}, is)
}

// Close forgets all phones and stops their clocks.
func (t *Table) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, b := range t.bindings {
		t.forget(b)
	}
}

// contact is what a phone of an AOR registered, by its token; nil where there is
// none of that AOR.
func (t *Table) contact(user, token string) *sip.ContactHeader {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.bindings[token]; b != nil && b.ask.User == user {
		return b.ask.Contact
	}
	return nil
}

// State is what is known of a registered phone.
type State struct {
	AOR       string // sip:101@callseal.example
	User      string
	Contact   string         // as the phone gave it
	Remote    netip.AddrPort // where it really is
	Transport transport.Proto
	Listener  string
	TLS       string // "TLS 1.3", or ""
	Sealed    bool
	Agent     string
	RoundTrip time.Duration // 0: not known yet
	Since     time.Time
	Expires   time.Time
	Dialer    string
	Also      []string // other dialers that call it
	Token     string
	Gone      bool // its flow is lost; it has to register anew
}

// Phones lists all phones, in the order of their AORs.
func (t *Table) Phones() []State {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]State, 0, len(t.bindings))
	for _, b := range t.bindings {
		s := State{AOR: b.ask.AOR.String(), User: b.ask.User, Contact: b.ask.Contact.Address.String(), Remote: b.flow.Remote(), Transport: b.flow.Proto(),
			Listener: b.flow.Listener(), Sealed: b.sealed, Agent: b.agent, RoundTrip: b.watch.roundTrip, Since: b.began, Expires: b.expires,
			Dialer: b.dialer, Also: b.also, Token: b.token, Gone: b.gone || !b.flow.Alive()}
		if st := b.flow.TLS(); st != nil {
			s.TLS = tls.VersionName(st.Version)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b State) int { return strings.Compare(a.User+a.Token, b.User+b.Token) })
	return all
}
