package bench

import (
	"errors"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// A carrier that wants to be registered with takes calls only then.
func TestAdmission(t *testing.T) {
	book := NewBook([]Plan{{Number: "101", Outcome: Busy}})
	for _, row := range []struct {
		name     string
		account  Account // that registers; none: nobody does
		register int
		call     int
	}{
		{"registered", Account{User: "107", Password: "secret"}, 200, 486},
		{"wrong password", Account{User: "107", Password: "wrong"}, 401, 403},
		{"another user", Account{User: "108", Password: "secret"}, 401, 403},
		{"nobody", Account{}, 0, 403},
		{"taken back", Account{User: "107", Password: "secret", Expires: time.Nanosecond}, 200, 403}, // 0 s on the wire
	} {
		t.Run(row.name, func(t *testing.T) {
			a, err := NewAnswerer(Config{Proto: UDP, Local: loopback, Admits: Account{User: "107", Password: "secret"}}, book.Find)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			caller, err := NewCaller(t.Context(), Config{Proto: UDP, Local: loopback}, Target{Proto: UDP, Host: "127.0.0.1", Port: a.Addr().Port()})
			if err != nil {
				t.Fatal(err)
			}
			defer caller.Close()
			if row.account.User != "" {
				if r, err := caller.Register(t.Context(), row.account); r.Status != row.register || (err == nil) != (row.register == 200) {
					t.Errorf("REGISTER: %d, %v; want %d", r.Status, err, row.register)
				}
			}
			if r := caller.Place(t.Context(), Plan{Number: "101", Outcome: Busy}); r.Status != row.call {
				t.Errorf("INVITE: %d, want %d", r.Status, row.call)
			}
			select {
			case <-a.Admitted():
				if row.call == 403 {
					t.Error("admitted")
				}
			default:
				if row.call != 403 {
					t.Error("not admitted")
				}
			}
		})
	}
}

// An answerer that is not there at first refuses, or is silent, and then it is as any.
func TestAnswererComesLater(t *testing.T) {
	const later = 300 * time.Millisecond
	book := NewBook([]Plan{{Number: "101", Outcome: Busy}})
	began := time.Now()
	refusing, err := NewAnswerer(Config{Proto: TCP, Local: loopback, Opens: later}, book.Find)
	if err != nil {
		t.Fatal(err)
	}
	defer refusing.Close()
	silent, err := NewAnswerer(Config{Proto: UDP, Local: loopback, Silent: later}, book.Find)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, a := range []*Answerer{refusing, silent} {
		target := Target{Proto: a.cfg.Proto, Host: "127.0.0.1", Port: a.Addr().Port()}
		for {
			caller, err := NewCaller(t.Context(), Config{Proto: target.Proto, Local: loopback}, target)
			if errors.Is(err, ErrUnreachable) && time.Since(began) < 10*time.Second {
				time.Sleep(10 * time.Millisecond) // another process would not be told either
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			r := caller.Place(t.Context(), Plan{Number: "101", Outcome: Busy})
			caller.Close()
			if !r.OK() {
				t.Errorf("%v: %v", target.Proto, r.Err)
			}
			break
		}
		if took := time.Since(began); took < later {
			t.Errorf("%v: it was there after %v", target.Proto, took)
		}
	}
	never, err := NewAnswerer(Config{Proto: TCP, Local: loopback, Opens: time.Hour}, book.Find)
	if err != nil {
		t.Fatal(err)
	}
	never.Close() // does not wait for it
}

// What a PBX may make of a code is what the caller may hear.
func TestHears(t *testing.T) {
	for _, row := range []struct {
		name  string
		hears map[int]int
		plan  Plan
		code  int
		got   Outcome
	}{
		{"as it was", nil, Plan{Outcome: Refused, Status: 603}, 603, Refused},
		{"changed", map[int]int{603: 403}, Plan{Outcome: Refused, Status: 603}, 403, Refused},
		{"changed without leave", nil, Plan{Outcome: Refused, Status: 603}, 403, Failed},
		{"not changed", map[int]int{603: 403}, Plan{Outcome: Refused, Status: 603}, 603, Refused},
		{"changed to another one", map[int]int{603: 403}, Plan{Outcome: Refused, Status: 603}, 500, Failed},
		{"busy", map[int]int{603: 403}, Plan{Outcome: Busy}, 486, Busy},
		{"refused as if busy", map[int]int{600: 486}, Plan{Outcome: Refused, Status: 600}, 486, Refused},
	} {
		t.Run(row.name, func(t *testing.T) {
			target := registrar(t, func(req *sip.Request) *sip.Response {
				if !req.IsInvite() {
					return nil
				}
				return sip.NewResponseFromRequest(req, row.code, "Whatever", nil)
			})
			caller, err := NewCaller(t.Context(), Config{Proto: TCP, Local: loopback, Hears: row.hears}, target)
			if err != nil {
				t.Fatal(err)
			}
			defer caller.Close()
			row.plan.Number = "101"
			if r := caller.Place(t.Context(), row.plan); r.Got != row.got || r.Status != row.code {
				t.Errorf("got %v %d (%v), want %v", r.Got, r.Status, r.Err, row.got)
			}
		})
	}
}
