package phonebook

import (
	"fmt"
	"hash/fnv"
	"strings"

	"callseal/sdp"
)

// Rollout seals some phones before the others.
type Rollout struct {
	Who     Patterns // sealed now
	Percent int      // and so many in a hundred of the others, 0 to 100
	Rest    Rest
}

// Rest is what becomes of the phones that a rollout has not reached.
type Rest uint8

// The two ways.
const (
	Refuse Rest = iota // they go on without callseal
	Plain              // they pass, sealed as far as their listener asks for it
)

// String gives the name used in configuration.
func (r Rest) String() string {
	switch r {
	case Refuse:
		return "refuse"
	case Plain:
		return "plain"
	default:
		return fmt.Sprintf("rest(%d)", uint8(r))
	}
}

// Stage is where a phone stands in a rollout.
//
//	no rollout, or a policy of its own -> Settled; else Reached -> sealed, or Waiting or Held by what becomes of the rest
type Stage uint8

// The stages.
const (
	Settled Stage = iota // no rollout concerns it
	Reached              // it has to be sealed
	Waiting              // it passes as its listener says
	Held                 // it is refused
)

// Stages lists every stage.
func Stages() []Stage { return []Stage{Settled, Reached, Waiting, Held} }

// String gives the name used in the API.
func (s Stage) String() string {
	switch s {
	case Settled:
		return "settled"
	case Reached:
		return "reached"
	case Waiting:
		return "waiting"
	case Held:
		return "held"
	default:
		return fmt.Sprintf("stage(%d)", uint8(s))
	}
}

// policy is that of a user: its own, else the rollout's.
func (p *Plan) policy(user string) (Policy, Stage) {
	for _, of := range p.Policies {
		if of.Who.Fit(user) {
			return of.Policy, Settled
		}
	}
	switch {
	case p.Rollout == nil:
		return Policy{}, Settled
	case p.Rollout.reaches(user):
		required := sdp.Required
		return Policy{TLS: true, Media: &required}, Reached
	case p.Rollout.Rest == Plain:
		return Policy{}, Waiting
	}
	return Policy{}, Held
}

// reaches: who is reached at a percentage is reached at every higher one.
func (r *Rollout) reaches(user string) bool {
	if r.Who.Fit(user) {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(user)) // hashes never fail
	return int(h.Sum32()%100) < r.Percent
}

// Patterns name extensions: whole ones, or their beginnings with * behind.
type Patterns []string

// Fit tells whether one of them names a user.
func (p Patterns) Fit(user string) bool {
	for _, pattern := range p {
		begin, open := strings.CutSuffix(pattern, "*")
		if pattern == user || open && strings.HasPrefix(user, begin) {
			return true
		}
	}
	return false
}
