package sdp

import "testing"

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
