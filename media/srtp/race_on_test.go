//go:build race

package srtp

// raceEnabled: the race detector slows tests down tenfold and makes sync.Pool forget at random.
const raceEnabled = true
