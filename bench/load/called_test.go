package load

import (
	"errors"
	"net/netip"
	"testing"

	"callseal/bench"
)

func TestDesk(t *testing.T) {
	d := desk{called: &Called{Count: 2, Number: func(n int) string { return string(rune('a' + n)) }}}
	d.free(0)
	d.free(1)
	var got []int
	var plans [3]bench.Plan
	for i := range plans {
		seat, ok := d.take(&plans[i])
		if ok != (i < 2) {
			t.Errorf("the %d-th of two: %v", i, ok)
		}
		got = append(got, seat)
	}
	if got[0] != 0 || got[1] != 1 || got[2] != noSeat || plans[0].Number != "a" || plans[1].Number != "b" {
		t.Errorf("seats %v, plans %+v", got, plans)
	}
	d.free(noSeat) // nothing
	d.free(1)
	if seat, ok := d.take(&plans[2]); seat != 1 || !ok {
		t.Errorf("seat %d, %v", seat, ok)
	}
	if seat, ok := (&desk{}).take(&plans[2]); seat != noSeat || !ok {
		t.Errorf("where nobody registers: seat %d, %v", seat, ok)
	}
}

// Answerers that cannot register end the run before it begins.
func TestCalledThatCannotRegister(t *testing.T) {
	cfg, _ := direct(t, bench.TCP, "pace: {rate: 1}\nmix: [{talk: 1s}]\n")
	phone := cfg.Answerers[0]
	phone.Local, cfg.Answerers = netip.AddrPort{}, nil
	cfg.Called = &Called{
		Target: cfg.Target, Config: phone, Count: 3, Number: func(int) string { return "101" },
		Account: func(int) bench.Account { return bench.Account{User: "101", Password: "secret"} },
	}
	if _, err := Run(t.Context(), cfg); !errors.Is(err, bench.ErrUnreachable) {
		t.Errorf("error %v; want %v", err, bench.ErrUnreachable)
	}
}
