package sdp

import (
	"slices"
	"testing"
)

func TestModeReadsItsOwnName(t *testing.T) {
	for _, m := range []Mode{Off, Preferred, Required} {
		if got, err := ParseMode(m.String()); err != nil || got != m {
			t.Errorf("%s: %v, %v", m, got, err)
		}
	}
	for _, name := range []string{"", "Required", "srtp", "Mode(3)"} {
		if _, err := ParseMode(name); err == nil {
			t.Errorf("%q is a mode", name)
		}
	}
}

func TestUnknownEnumsHaveNames(t *testing.T) {
	if got := Mode(9).String(); got != "Mode(9)" {
		t.Error(got)
	}
	if got := Direction(9).String(); got != "Direction(9)" {
		t.Error(got)
	}
}

func TestAnsweringDirection(t *testing.T) {
	// RFC 3264 section 6.1: what may answer each offer.
	may := map[Direction][]Direction{
		SendRecv: {SendRecv, SendOnly, RecvOnly, Inactive},
		SendOnly: {RecvOnly, Inactive},
		RecvOnly: {SendOnly, Inactive},
		Inactive: {Inactive},
	}
	for offered, allowed := range may {
		for _, d := range []Direction{SendRecv, SendOnly, RecvOnly, Inactive} {
			got := d.answering(offered)
			if !slices.Contains(allowed, got) || slices.Contains(allowed, d) && got != d {
				t.Errorf("%s is answered with %s instead of %s", offered, got, d)
			}
		}
	}
}
