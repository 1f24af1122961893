// Package phonebook says which phones there are: what proves that one is who it says, at which dialers it has a line, and how it has to be
// sealed. Pure: who reads accounts from a file or a database hands them in.
package phonebook

import (
	"callseal/sdp"
	"callseal/signaling/auth"
)

// Account is a phone that somebody has set up.
type Account struct {
	User string // the extension: what the phone registers as, and its user in digests
	Keys auth.Keys
	// Lines are the dialers that have it. None: the plan's map and default say which.
	Lines []Line
}

// Line is a phone at a dialer.
type Line struct {
	Dialer string // name
	User   string // what the dialer knows it as
	Keys   auth.Keys
}

// Plan is what the configuration says of all phones.
type Plan struct {
	// Default is the dialer of a phone that nothing else places, or "".
	Default string
	// Map places phones by their extension; it comes before what an account says.
	Map map[string]string
	// Policies are those of single phones; the first that fits counts.
	Policies []PolicyOf
	// Rollout says who is sealed first; nil: everybody is as their listener says.
	Rollout *Rollout
}

// PolicyOf is the policy of those whom it names.
type PolicyOf struct {
	Who Patterns
	Policy
}

// Policy is how a phone has to be sealed. The zero value leaves all to its listener.
type Policy struct {
	TLS   bool      // its signaling comes over TLS, or not at all
	Media *sdp.Mode // nil: its listener's
}

// Entry is what there is to know of a phone.
type Entry struct {
	Account
	Policy
	Stage Stage
}

// Book is all accounts under a plan. It is never mutated. The nil Book has no account.
type Book struct {
	plan     Plan
	accounts map[string]*Account
	lines    map[lineOf]bool // of all accounts
}

// lineOf is a user of a dialer's.
type lineOf struct{ dialer, user string }

// New makes a book. Of two accounts of one user the first counts.
func New(plan Plan, accounts []Account) *Book {
	b := &Book{plan: plan, accounts: make(map[string]*Account, len(accounts)), lines: make(map[lineOf]bool, len(accounts))}
	for i := range accounts {
		a := &accounts[i]
		if b.accounts[a.User] == nil {
			b.accounts[a.User] = a
		}
	}
	for _, a := range b.accounts {
		for _, l := range b.linesOf(a) {
			b.lines[lineOf{l.Dialer, l.User}] = true
		}
	}
	return b
}

// Has tells whether a dialer knows a phone of ours as that user.
func (b *Book) Has(dialer, user string) bool { return b != nil && b.lines[lineOf{dialer, user}] }

// Len is the number of accounts.
func (b *Book) Len() int {
	if b == nil {
		return 0
	}
	return len(b.accounts)
}

// Keys are what proves that a user is who it says.
func (b *Book) Keys(user string) (auth.Keys, bool) {
	if b == nil {
		return auth.Keys{}, false
	}
	a := b.accounts[user]
	if a == nil {
		return auth.Keys{}, false
	}
	return a.Keys, !a.Keys.IsZero()
}

// Find says all of a user. A user without an account gets its place and its policy all the same: its dialer may know it.
func (b *Book) Find(user string) Entry {
	if b == nil {
		return Entry{Account: Account{User: user}}
	}
	e := Entry{Account: Account{User: user}}
	if a := b.accounts[user]; a != nil {
		e.Account = *a
	}
	e.Lines = b.linesOf(&e.Account)
	e.Policy, e.Stage = b.plan.policy(user)
	return e
}

// linesOf places a phone: the map, else its account, else the default.
func (b *Book) linesOf(a *Account) []Line {
	dialer, mapped := b.plan.Map[a.User]
	switch {
	case mapped:
		for _, l := range a.Lines {
			if l.Dialer == dialer {
				return []Line{l}
			}
		}
	case len(a.Lines) > 0:
		return a.Lines
	default:
		dialer = b.plan.Default
	}
	if dialer == "" {
		return nil
	}
	return []Line{{Dialer: dialer, User: a.User, Keys: a.Keys}}
}
