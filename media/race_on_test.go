//go:build race

package media

// raceEnabled: the race detector slows tests down tenfold and makes sync.Pool forget at random.
const raceEnabled = true
