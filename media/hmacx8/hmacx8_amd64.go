package hmacx8

import "golang.org/x/sys/cpu"

// Native says whether Run works: the processor has AVX-512 for registers of 256 bits.
var Native = cpu.X86.HasAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL

// run takes the blocks of each message into inner, then the digest as the one block that is left into outer, and writes what
// comes out to inner.
//
//go:noescape
func run(inner, outer *words, messages *[Lanes][room]byte, blocks int)
