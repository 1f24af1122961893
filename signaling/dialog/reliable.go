package dialog

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// IsReliable tells whether a provisional response asks for a PRACK (RFC 3262
// section 3).
func IsReliable(res *sip.Response) bool {
	return res.IsProvisional() && res.StatusCode > 100 && Lists(res, "require", "100rel") && res.GetHeader("rseq") != nil
}

// Reliable takes a reliable provisional response in its turn, and gives the
// PRACK that acknowledges it (RFC 3262 section 4), without Via and body. One
// that was there before or comes out of turn is ErrOutOfOrder: it is neither
// acknowledged nor passed on.
func (d *Dialog) Reliable(res *sip.Response) (*sip.Request, error) {
	seq, err := strconv.ParseUint(strings.TrimSpace(res.GetHeader("rseq").Value()), 10, 32)
	if err != nil || seq == 0 {
		return nil, fmt.Errorf("RSeq: %w", ErrOutOfOrder)
	}
	if d.reliable != 0 && uint32(seq) != d.reliable+1 {
		return nil, fmt.Errorf("RSeq %d after %d: %w", seq, d.reliable, ErrOutOfOrder)
	}
	d.reliable = uint32(seq)
	prack := d.Request(sip.PRACK)
	prack.AppendHeader(sip.NewHeader("RAck", fmt.Sprintf("%d %d INVITE", seq, res.CSeq().SeqNo)))
	return prack, nil
}

// Acknowledges tells whether a PRACK is for the response that we sent with
// this RSeq to the INVITE with this CSeq (RFC 3262 section 7.2).
func Acknowledges(prack *sip.Request, rseq, cseq uint32) bool {
	h := prack.GetHeader("rack")
	if h == nil {
		return false
	}
	fields := strings.Fields(h.Value())
	return len(fields) == 3 && fields[0] == fmt.Sprint(rseq) && fields[1] == fmt.Sprint(cseq) && strings.EqualFold(fields[2], "INVITE")
}
