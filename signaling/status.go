package signaling

import (
	"context"
	"maps"
	"slices"
	"strings"

	"callseal/signaling/call"
)

// CallStatus gives up to most calls in the order of their IDs, those behind
// the ID after. A call that ends meanwhile, or that does not answer before ctx
// ends, is left out. next is the ID behind which more calls are, or "".
func (s *Server) CallStatus(ctx context.Context, after string, most int) (list []call.Status, next string) {
	s.mu.Lock()
	calls := slices.Collect(maps.Values(s.invites))
	s.mu.Unlock()
	calls = slices.DeleteFunc(calls, func(c *call.Call) bool { return c.ID() <= after })
	slices.SortFunc(calls, func(a, b *call.Call) int { return strings.Compare(a.ID(), b.ID()) })
	if len(calls) > most {
		calls = calls[:most]
		next = calls[most-1].ID()
	}
	answers := make(chan call.Status, len(calls)) // so that no call waits
	asked := 0
	for _, c := range calls {
		if c.Ask(func(st call.Status) { answers <- st }) {
			asked++
		}
	}
	for ; asked > 0; asked-- {
		select {
		case st := <-answers:
			list = append(list, st)
		case <-ctx.Done():
			asked = 1 // the last
		}
	}
	slices.SortFunc(list, func(a, b call.Status) int { return strings.Compare(a.ID, b.ID) })
	return list, next
}
