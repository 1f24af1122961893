package call

import (
	"errors"
	"sync"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/dialog"
	"callseal/signaling/header"
)

// What can be wrong with a dialog that another request names (RFC 3891).
var (
	ErrNoDialog = errors.New("no such dialog")
	ErrNobody   = errors.New("the other end cannot be reached outside of its call")
)

// named are the dialogs of a call's two legs, as requests of other calls may
// name them.
type named struct {
	mu   sync.Mutex // guards ends
	ends [2]namedEnd
}

type namedEnd struct {
	party Party
	id    dialog.ID // zero: there is no dialog
}

// show lets other calls see the dialogs that the call has now.
func (c *Call) show() {
	var now [2]namedEnd
	if c.machine.state <= up {
		for _, s := range []side{sideA, sideB} {
			if d := c.partner(s.other(), c.machine.winner); d != nil {
				now[s] = namedEnd{c.leg(s).party, d.ID()}
			}
		}
	}
	c.named.mu.Lock()
	defer c.named.mu.Unlock()
	c.named.ends = now
}

// Replaced finds the dialog that the Replaces of a remote means: of, who names
// it, has a dialog of this call with us, and means the one that we have on the
// call's other leg. It gives that one as the remote there knows it, and who
// that is. ErrNoDialog where r names no dialog of of's here, ErrNobody where the
// other remote is a phone that has not registered. Anybody may call it.
func (c *Call) Replaced(r header.Replaces, of Party) (header.Replaces, Party, error) {
	c.named.mu.Lock()
	defer c.named.mu.Unlock()
	for s, near := range c.named.ends {
		if near.id != (dialog.ID{CallID: r.CallID, Local: r.ToTag, Remote: r.FromTag}) || near.party.Role != of.Role || near.party.Name != of.Name {
			continue
		}
		far := c.named.ends[side(s).other()]
		switch {
		case far.id.CallID == "":
			return header.Replaces{}, Party{}, ErrNoDialog
		case !far.party.Reachable():
			return header.Replaces{}, Party{}, ErrNobody
		}
		return header.Replaces{CallID: far.id.CallID, ToTag: far.id.Remote, FromTag: far.id.Local, EarlyOnly: r.EarlyOnly}, far.party, nil
	}
	return header.Replaces{}, Party{}, ErrNoDialog
}

// replacement is a dialog that an INVITE of ours takes the place of, and the
// only party that is told of it.
type replacement struct {
	dialog header.Replaces
	at     Party
}

// Replace lets B's INVITE take the place of a dialog that B knows. It is called
// before Run.
func (c *Call) Replace(r header.Replaces) { c.replaces = &replacement{r, c.b.party} }

// replacing puts that into B's INVITE. B may only insist on it, or not know it,
// as A wants.
func (c *Call) replacing(req *sip.Request) {
	if c.replaces == nil || !c.replaces.at.Is(c.b.party) {
		return
	}
	req.AppendHeader(sip.NewHeader("Replaces", header.Clean(c.replaces.dialog.String())))
	if dialog.Lists(c.inA.Request(), "require", "replaces") {
		req.AppendHeader(sip.NewHeader("Require", "replaces"))
	}
}
