package signaling

import (
	"net/netip"

	"callseal/signaling/auth"
	"callseal/signaling/phonebook"
	"callseal/signaling/transport"
)

// Accounts is what the configuration says of who phones are.
type Accounts struct {
	// Local: we know the phones' passwords, and register them at their dialers.
	// Else REGISTER is passed on to the dialer, which knows them.
	Local      bool
	Realm      string
	Algorithms []auth.Algorithm // offered to phones, the preferred one first
	// Users are the accounts of the configuration. They come before those of the
	// directory.
	Users []phonebook.Account
	// Directory: accounts also come by SetAccounts, and until the first do,
	// nothing is known of phones.
	Directory bool
	Plan      phonebook.Plan
}

// book is all that is known of phones: the configuration's accounts and the
// directory's.
type book struct {
	*phonebook.Book
	directory []phonebook.Account
	complete  bool // the directory's are in it, where there is one
	digest    *auth.Server
	plan      phonebook.Plan
}

// SetAccounts tells what a directory knows of phones from now on.
func (s *Server) SetAccounts(accounts []phonebook.Account) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.open(s.state().cfg.Accounts, accounts, true)
}

// open makes the book of a configuration's accounts and those of the directory.
// The caller holds reloading.
func (s *Server) open(a Accounts, directory []phonebook.Account, known bool) {
	if !a.Directory {
		directory, known = nil, false
	}
	all := append(a.Users[:len(a.Users):len(a.Users)], directory...)
	b := &book{Book: phonebook.New(a.Plan, all), plan: a.Plan, directory: directory, complete: known || !a.Directory}
	if was := s.book.Load(); was != nil && was.digest.Realm() == a.Realm {
		b.digest = was.digest // with the nonces that phones have
	} else {
		b.digest = auth.NewServer(a.Realm, func(user string) (auth.Keys, bool) { return s.book.Load().Keys(user) })
	}
	s.book.Store(b)
	s.settleAll()
}

// places tells whether phones may register at all: some dialer has some.
func (b *book) places() bool {
	return !b.complete || b.Len() > 0 || b.plan.Default != "" || len(b.plan.Map) > 0
}

// isPhone tells whether a dialer knows one of the phones as that user. It would
// take a From with it for the phone's.
func (s *Server) isPhone(dialer, user string) bool {
	return s.book.Load().Has(dialer, user) || s.phones.Table().Knows(dialer, user)
}

// DialerAt names the dialer that has an address: among its sources, or as the
// host of its uri. "" where there is none.
func (s *Server) DialerAt(address string) string {
	addr, err := netip.ParseAddr(address)
	for _, t := range s.state().cfg.Table.Trunks {
		if t.Role() == transport.Dialer && (t.Target.Host == address || err == nil && t.Has(addr)) {
			return t.Name()
		}
	}
	return ""
}
