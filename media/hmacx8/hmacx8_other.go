//go:build !amd64

package hmacx8

// Native is false: nothing is known of this processor.
const Native = false

func run(*words, *words, *[Lanes][room]byte, int) { panic("hmacx8: not native") }
