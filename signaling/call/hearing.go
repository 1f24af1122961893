package call

import (
	"strconv"

	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// hearing is what has come of an INVITE to one of several parties that may be
// asked: the rules of when the next one is are the same for the call itself
// (attempts.go) and for a transfer (callee.go).
type hearing struct {
	heard bool // it has said something
	rings bool // more than 100: it may still answer, even if its connection is lost
}

// fails names why another party is asked after r: this one is out of reach and
// has not rung, or answers 408 or 503. "" is that none is.
func (h *hearing) fails(r transport.Result) string {
	switch {
	case r.Err != nil && h.rings:
		return ""
	case r.Err != nil:
		return unreachable(r.Err)
	case r.Response.StatusCode == 408 || r.Response.StatusCode == 503:
		return strconv.Itoa(r.Response.StatusCode)
	}
	return ""
}

// note takes what came of the INVITE at a trunk; nil is a phone's.
func (c *Call) note(h *hearing, t *trunk.Trunk, r transport.Result) {
	c.stop(clock{timer: silentTimer})
	c.house.noteHealth(t, r, !h.heard)
	if r.Err == nil {
		h.heard, h.rings = true, h.rings || r.Response.StatusCode > 100
	}
}

// watchSilence lets the call move on from a party that says nothing at all, where
// others wait and it is still the one that is asked.
func (c *Call) watchSilence(h *hearing, t *trunk.Trunk, others int, asked func() bool, moveOn func()) {
	h.heard = false
	if others == 0 || c.house.Silent == 0 {
		return
	}
	c.after(clock{timer: silentTimer}, c.house.Silent, func() {
		if !h.heard && asked() {
			c.house.dead(t, silentInvite)
			moveOn()
		}
	})
}
