package call

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/header"
	"callseal/signaling/trunk"
)

// Redirections of B (RFC 3261 section 8.1.3.4), followed where its trunk allows
// it. A never hears of them: a dialer that follows one dials past us.

// maxTargets bounds the places that a call is sent on to.
const maxTargets = 5

// maxPlaces bounds those of an answer that are looked at.
const maxPlaces = 4 * maxTargets

// target is one place that B's redirection named.
type target struct {
	uri   sip.Uri
	place trunk.Place
	q     float64
}

// redirection is what a call has been told of other places. The zero value is
// that of a call that was not redirected.
type redirection struct {
	tried   map[string]bool // by target.key: no place is asked twice
	waiting []target        // the next one first
	asked   int
	addr    netip.AddrPort // of the present one, over UDP, where it is not its trunk's Target
}

// key names a place: the number and the machine.
func (t *target) key() string {
	host := strings.ToLower(t.uri.Host)
	if t.place.Named {
		host = ""
	}
	return t.place.Trunk.Name() + " " + t.uri.User + " " + host + " " + t.place.Addr.String()
}

// redirected takes a final response of B. It tells whether B's INVITE went to
// another place because of it, so that it is no answer for A.
func (c *Call) redirected(res *sip.Response) bool {
	if c.machine.state != calling {
		return false
	}
	if res.StatusCode < 400 {
		c.learn(res)
	} else if res.StatusCode >= 600 {
		return false // RFC 3261 section 21.6: it would be said everywhere
	}
	return c.elsewhere()
}

// learn takes the places that a redirection names, before those of an earlier
// one.
func (c *Call) learn(res *sip.Response) {
	r := &c.redirect
	by := c.b.party
	if by.Trunk == nil || !by.Trunk.Follow || res.StatusCode > 302 { // 305 and 380 name no other place for the call
		c.house.Metrics.redirected(by, "refused")
		return
	}
	if r.tried == nil {
		first := target{uri: c.inviteB.Recipient, place: trunk.Place{Trunk: by.Trunk, Named: true}}
		r.tried = map[string]bool{first.key(): true}
	}
	var found []target
	headers, strange := res.GetHeaders("contact"), 0
	for _, h := range headers[:min(len(headers), maxPlaces)] {
		contact, ok := h.(*sip.ContactHeader)
		if !ok {
			continue
		}
		t := target{uri: contact.Address, q: quality(contact.Params.GetOr("q", ""))}
		if t.place, ok = c.house.Table().Redirect(by.Trunk, t.uri); !ok || !c.sameMedia(t.place.Trunk) {
			c.house.Metrics.redirected(by, "elsewhere")
			if strange++; strange > 1 { // one line for all of an answer
				continue
			}
			c.house.Log.Warn("redirection to a place that is not configured", "call", c.id, "leg", by.Name, "host", header.Clean(t.uri.Host),
				"advice", "add the host to sources of "+by.Name+", or as another trunk of its kind")
			continue
		}
		if t.uri.User = header.Unescaped(t.uri.User); t.uri.User == "" {
			t.uri.User = c.inviteB.Recipient.User
		} else if t.place.Trunk.Refuses(t.uri.User) { // the carrier wrote that number, not the caller
			c.house.Metrics.redirected(by, "limit")
			continue
		}
		found = append(found, t)
	}
	slices.SortStableFunc(found, func(a, b target) int { return int(1000*b.q) - int(1000*a.q) })
	r.waiting = append(found, r.waiting...)
}

// quality reads a q-value (RFC 3261 section 20.10); none is 1, nonsense 0.
func quality(text string) float64 {
	if text == "" {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}

// sameMedia tells whether a trunk's audio belongs to the address that leg B is
// bound to already.
func (c *Call) sameMedia(t *trunk.Trunk) bool {
	there := c.b.party.beside(t)
	bind, show := c.mediaAddress(there, there.speaks6())
	hereBind, hereShow := c.mediaAddress(c.b.party, c.b.party.speaks6())
	return bind == hereBind && show == hereShow
}

// elsewhere sends B's INVITE to the next place. It tells whether there was one.
func (c *Call) elsewhere() bool {
	r := &c.redirect
	for len(r.waiting) > 0 && r.asked < maxTargets {
		t := r.waiting[0]
		r.waiting = r.waiting[1:]
		if r.tried[t.key()] {
			c.house.Metrics.redirected(c.b.party, "loop")
			continue
		}
		r.tried[t.key()] = true
		r.asked++
		if !c.movePermit(t.place.Trunk) {
			c.house.Metrics.redirected(c.b.party, "limit")
			continue
		}
		c.house.Metrics.redirected(c.b.party, "followed")
		if err := c.retarget(t); err != nil {
			c.house.Log.Error("cannot write the offer", "call", c.id, "leg", c.b.party.Name, "error", err)
			continue
		}
		return true
	}
	return false
}

// movePermit takes a place at the trunk that a redirection leads to in the place
// of the present one's. It tells whether there was one: nobody waits for it.
func (c *Call) movePermit(to *trunk.Trunk) bool {
	if to == c.b.party.Trunk {
		return true
	}
	permit, waits, err := c.house.Desk.Ask(to, c.asks().Recipient.User, func() {})
	if err != nil || waits {
		permit.Release()
		return false
	}
	c.b.permit.Release()
	c.b.permit = permit
	return true
}

// retarget asks another place in B's stead: a new INVITE of the same dialog
// identifiers, with keys of its own.
func (c *Call) retarget(t target) error {
	if t.place.Trunk != c.b.party.Trunk {
		c.b.party, c.b.flow, c.b.invited = c.b.party.beside(t.place.Trunk), nil, nil
		c.least[sideB] = 0
	}
	n := c.negotiation
	was := n.ends[sideB]
	n.ends[sideB] = endOf(c.b.party)
	n.ends[sideB].local, n.ends[sideB].told = was.local, was.told
	invite, err := c.buildInvite()
	if err != nil {
		return err
	}
	invite.Recipient.User = t.uri.User
	if !t.place.Named {
		invite.Recipient.Host, invite.Recipient.Port = t.uri.Host, t.uri.Port
	}
	invite.CSeq().SeqNo = c.inviteB.CSeq().SeqNo
	c.inviteB, c.redirect.addr = invite, t.place.Addr
	c.house.Log.Info("call redirected", "call", c.id, "leg", c.b.party.Name, "host", invite.Recipient.Host)
	c.retryB(func(*sip.Request) {})
	return nil
}

// unfollowed is what A hears of a redirection: a fault of ours, in our words.
func (c *Call) unfollowed() rejection {
	phrase := c.b.party.Name + " redirects and that is not followed"
	switch {
	case c.redirect.asked >= maxTargets:
		phrase = c.b.party.Name + " redirects too often"
	case c.b.party.Trunk != nil && c.b.party.Trunk.Follow:
		phrase = c.b.party.Name + " redirects to nobody we know"
	}
	return rejection{503, header.Phrase(phrase)}
}
