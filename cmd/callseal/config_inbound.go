package main

import "callseal/signaling/trunk"

// rawInbound is the account by which a trunk proves who it is to us.
type rawInbound struct {
	User         string `yaml:"user"`
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	HA1          string `yaml:"ha1"`
}

// hidesKeys: whoever forgets the quotes around a password makes a key of it.
func (r *rawInbound) hidesKeys() {}

// defaultTrunkRealm is what trunks are asked for their passwords in the name of.
const defaultTrunkRealm = "callseal"

// inbound reads inbound_auth. seen are the users of its section so far.
func (l *loader) inbound(place string, raw *rawInbound, seen map[string]string) trunk.Inbound {
	if raw == nil {
		return trunk.Inbound{}
	}
	place += ".inbound_auth"
	realm := l.raw.Trust.Realm
	in := trunk.Inbound{User: raw.User, Keys: l.keys(place, raw.User, realm, "USER", raw.Password, raw.PasswordFile, raw.HA1)}
	if !printable(raw.User) {
		l.fail(place+".user", fault{"is missing, or has a character that no user has", "write the user that it answers our challenges as"})
		return trunk.Inbound{}
	}
	l.once(seen, place+".user", raw.User)
	return in
}
