package registrar

// Directory says where phones belong. It is asked for each REGISTER, from many
// goroutines, and answers at once.
type Directory interface {
	// Place is that of the phone with an AOR's user part; false where it must not
	// register.
	Place(user string) (Place, bool)
}

// Place is where a phone belongs.
type Place struct {
	Dialer string // by its name in the configuration
}

// Everybody is the Directory of one dialer that has all phones.
type Everybody struct{ Dialer string }

// Place is the same for all.
func (e Everybody) Place(string) (Place, bool) { return Place{Dialer: e.Dialer}, true }
