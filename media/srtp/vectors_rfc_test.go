package srtp

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	pion "github.com/pion/srtp/v2"
)

// table reads a tab-separated file of testdata into one map per row.
func table(t *testing.T, name string) (rows []map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	heads := strings.Split(lines[0], "\t")
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, cell := range strings.Split(line, "\t") {
			row[heads[i]] = cell
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no rows", name)
	}
	return rows
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKeyDerivation(t *testing.T) {
	for _, row := range table(t, "kdf.tsv") {
		t.Run(row["name"], func(t *testing.T) {
			keys, err := deriveKeys(unhex(t, row["master_key"]), unhex(t, row["master_salt"]))
			if err != nil {
				t.Fatal(err)
			}
			for cell, got := range map[string][]byte{
				"session_cipher_key": keys.rtp.key, "session_salt": keys.rtp.salt, "session_auth_key": keys.rtp.auth,
			} {
				if want := unhex(t, row[cell]); !bytes.Equal(got, want) {
					t.Errorf("%s = %x, want %x", cell, got, want)
				}
			}
		})
	}
}

func TestKeystream(t *testing.T) {
	for _, row := range table(t, "keystream.tsv") {
		t.Run(row["name"], func(t *testing.T) {
			// The counter of a row is reached by encrypting that many blocks under the row's salt.
			iv := unhex(t, row["iv_128bit"])
			blocks := int(binary.BigEndian.Uint16(iv[14:])) + 1
			keys := packetKeys{key: unhex(t, row["session_key"]), salt: iv[:14], auth: make([]byte, authKeyLen)}
			var made box
			if err := newAESCM(10)(&made, sessionKeys{rtp: keys, rtcp: keys}, 0, &Scratch{}); err != nil {
				t.Fatal(err)
			}
			c := (*aesCM)(&made.material)
			data := make([]byte, blocks*aes.BlockSize)
			c.crypt(&c.rtp, data, 0, 0)
			if got, want := data[len(data)-aes.BlockSize:], unhex(t, row["keystream_first_block"]); !bytes.Equal(got, want) {
				t.Errorf("key stream = %x, want %x", got, want)
			}
		})
	}
}

// profileNames are the names that packets.tsv uses.
var profileNames = map[string]pion.ProtectionProfile{
	"AES_CM_128_HMAC_SHA1_80":  pion.ProtectionProfileAes128CmHmacSha1_80,
	"AES_256_CM_HMAC_SHA1_80":  pion.ProtectionProfileAes256CmHmacSha1_80,
	"AEAD_AES_128_GCM":         pion.ProtectionProfileAeadAes128Gcm,
	"NULL_HMAC_SHA1_80":        pion.ProtectionProfileNullHmacSha1_80,
	"AES_CM_128_HMAC_SHA1_32":  pion.ProtectionProfileAes128CmHmacSha1_32,
	"AES_256_CM_HMAC_SHA1_32":  pion.ProtectionProfileAes256CmHmacSha1_32,
	"AEAD_AES_256_GCM":         pion.ProtectionProfileAeadAes256Gcm,
	"UNKNOWN_PROFILE_OF_TESTS": 0,
}

func TestPacketVectors(t *testing.T) {
	for _, row := range table(t, "packets.tsv") {
		t.Run(row["name"], func(t *testing.T) {
			key := Key{Profile: profileNames[row["profile"]], Master: unhex(t, row["master_key_and_salt_hex"])}
			p, err := NewProtect(key, nil)
			if strings.HasPrefix(row["profile"], "NULL") {
				if !errors.Is(err, ErrProfile) {
					t.Fatalf("a suite without encryption was accepted: %v", err)
				}
				return
			}
			u, errU := NewUnprotect(key, nil)
			if err != nil || errU != nil {
				t.Fatal(err, errU)
			}
			seal, open := p.RTP, u.RTP
			if row["kind"] == "rtcp" {
				seal, open = p.RTCP, u.RTCP
			}
			plain, sealed := unhex(t, row["plaintext_packet_hex"]), unhex(t, row["protected_packet_hex"])
			buf := append(make([]byte, 0, 256), plain...)
			n, err := seal(buf, len(plain))
			if err != nil || !bytes.Equal(buf[:n], sealed) {
				t.Fatalf("sealed %x, %v, want %x", buf[:n], err, sealed)
			}
			n, err = open(buf, n)
			if err != nil || !bytes.Equal(buf[:n], plain) {
				t.Fatalf("opened %x, %v, want %x", buf[:n], err, plain)
			}
		})
	}
}

// The examples of RFC 7714 begin after the key derivation: their keys are session keys.
func TestGCMVectors(t *testing.T) {
	key := unhex(t, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	salt := []byte("Quid pro quo")
	for _, row := range []struct {
		name, file, section, plain string
		key                        []byte
	}{
		{"16.1.1 RTP 128", "rfc7714-rtp-vectors.txt", "16.1.1.", "Encrypting the following packet:", key[:16]},
		{"16.2.1 RTP 256", "rfc7714-rtp-vectors.txt", "16.2.1.", "Encrypting the following packet:", key},
	} {
		t.Run(row.name, func(t *testing.T) {
			part := section(t, row.file, row.section)
			plain := block(t, part, row.plain)
			want := block(t, part, "Encrypted and tagged packet:")
			g := gcmOf(t, row.key, salt)
			buf := append(make([]byte, 0, 256), plain...)
			n := g.sealRTP(buf, minRTPHeader, binary.BigEndian.Uint32(plain[8:]), uint64(binary.BigEndian.Uint16(plain[2:])))
			if !bytes.Equal(buf[:n], want) {
				t.Fatalf("sealed %x, want %x", buf[:n], want)
			}
			if !g.openRTP(buf[:n], minRTPHeader, binary.BigEndian.Uint32(plain[8:]), uint64(binary.BigEndian.Uint16(plain[2:])), nil) || !bytes.Equal(buf[:len(plain)], plain) {
				t.Fatalf("opened %x, want %x", buf[:len(plain)], plain)
			}
		})
	}
}

func TestGCMVectorsRTCP(t *testing.T) {
	const ssrc, index = 0x4d617273, 0x5d4
	key := unhex(t, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	sealed128 := block(t, section(t, "rfc7714-rtcp-vectors.txt", "17.1."), "Encrypted and tagged packet:")
	plain := block(t, section(t, "rfc7714-rtcp-vectors.txt", "17.1."), "Encrypting the following packet:")
	sealed256 := block(t, section(t, "rfc7714-rtcp-vectors.txt", "17.2."), "Decrypting the following packet:")
	for _, row := range []struct {
		name        string
		key, sealed []byte
	}{{"17.1 RTCP 128", key[:16], sealed128}, {"17.2 RTCP 256", key, sealed256}} {
		t.Run(row.name, func(t *testing.T) {
			g := gcmOf(t, row.key, []byte("Quid pro quo"))
			buf := append(make([]byte, 0, 256), plain...)
			if n := g.sealRTCP(buf, ssrc, index); !bytes.Equal(buf[:n], row.sealed) {
				t.Fatalf("sealed %x, want %x", buf[:n], row.sealed)
			}
			buf = buf[:len(row.sealed)]
			if got := g.indexRTCP(buf); got != index|encryptedFlag {
				t.Fatalf("index word %x", got)
			}
			if !g.openRTCP(buf, ssrc, index) || !bytes.Equal(buf[:len(plain)], plain) {
				t.Fatalf("opened %x, want %x", buf[:len(plain)], plain)
			}
		})
	}
}

func gcmOf(t *testing.T, key, salt []byte) transform {
	t.Helper()
	var made box
	keys := packetKeys{key: key, salt: salt}
	if err := newAESGCM(&made, sessionKeys{rtp: keys, rtcp: keys}, 0, &Scratch{}); err != nil {
		t.Fatal(err)
	}
	return made.transform
}

// section returns the text of a section of an RFC excerpt, up to the next heading of the same depth.
func section(t *testing.T, file, number string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n"+number)
	if !found {
		t.Fatalf("%s has no section %s", file, number)
	}
	if end := regexp.MustCompile(`\n1[67]\.\d`).FindStringIndex(rest); end != nil {
		rest = rest[:end[0]]
	}
	return rest
}

// block returns the bytes of the hexadecimal block behind a title.
func block(t *testing.T, text, title string) []byte {
	t.Helper()
	_, rest, found := strings.Cut(text, title)
	if !found {
		t.Fatalf("no block %q", title)
	}
	found = false
	var hexes strings.Builder
	for _, line := range strings.Split(rest, "\n")[1:] {
		line = strings.TrimSpace(line)
		if line == "" {
			if found {
				break
			}
			continue
		}
		if !regexp.MustCompile(`^[0-9a-f ]+$`).MatchString(line) {
			break
		}
		found = true
		hexes.WriteString(line)
	}
	return unhex(t, hexes.String())
}
