package srtp

import "testing"

// BenchmarkPion is the same relayed packet by pion/srtp/v2, so that a figure of BenchmarkRelay is a ratio in one run.
func BenchmarkPion(b *testing.B) {
	for _, profile := range profiles {
		b.Run(profile.String(), func(b *testing.B) {
			key, other := randomKey(profile), randomKey(profile)
			in, open, seal := oracle(b, key), oracle(b, key), oracle(b, other)
			const batch = 1024
			packets, seq := make([][]byte, batch), uint16(0)
			plain := make([]byte, 0, 256)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				if i%batch == 0 {
					b.StopTimer()
					for j := range packets {
						seq++
						packet := payload172()
						renumber(packet, seq)
						packets[j], _ = in.EncryptRTP(packets[j][:0], packet, nil)
					}
					b.StartTimer()
				}
				var err error
				if plain, err = open.DecryptRTP(plain[:0], packets[i%batch], nil); err != nil {
					b.Fatal(err)
				}
				if _, err = seal.EncryptRTP(plain[:0], plain, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
