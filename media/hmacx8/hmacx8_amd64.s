#include "textflag.h"

// Y0 to Y4 are the state's words a to e of all lanes, Y16 to Y31 the last sixteen words of the message schedule, Y7 is the
// constant of the rounds, Y8 the order of bytes.

// QUAD makes of sixteen bytes of each message four words of the schedule. The messages are 320 bytes apart (room).
#define QUAD(at, W0, W1, W2, W3) \
	VMOVDQU     (at+0*320)(SI), X9; \
	VMOVDQU     (at+1*320)(SI), X10; \
	VMOVDQU     (at+2*320)(SI), X11; \
	VMOVDQU     (at+3*320)(SI), X12; \
	VINSERTI128 $1, (at+4*320)(SI), Y9, Y9; \
	VINSERTI128 $1, (at+5*320)(SI), Y10, Y10; \
	VINSERTI128 $1, (at+6*320)(SI), Y11, Y11; \
	VINSERTI128 $1, (at+7*320)(SI), Y12, Y12; \
	VPSHUFB     Y8, Y9, Y9; \
	VPSHUFB     Y8, Y10, Y10; \
	VPSHUFB     Y8, Y11, Y11; \
	VPSHUFB     Y8, Y12, Y12; \
	VPUNPCKLDQ  Y10, Y9, Y13; \
	VPUNPCKHDQ  Y10, Y9, Y14; \
	VPUNPCKLDQ  Y12, Y11, Y15; \
	VPUNPCKHDQ  Y12, Y11, Y9; \
	VPUNPCKLQDQ Y15, Y13, W0; \
	VPUNPCKHQDQ Y15, Y13, W1; \
	VPUNPCKLQDQ Y9, Y14, W2; \
	VPUNPCKHQDQ Y9, Y14, W3

// ROUND is one round (FIPS 180-4 section 6.1.2), after which e is a; f is the truth table of its function of b, c and d.
#define ROUND(f, A, B, C, D, E, W) \
	VPADDD     Y7, W, Y5; \
	VPADDD     Y5, E, E; \
	VMOVDQA    B, Y6; \
	VPTERNLOGD $f, D, C, Y6; \
	VPADDD     Y6, E, E; \
	VPROLD     $5, A, Y5; \
	VPADDD     Y5, E, E; \
	VPROLD     $30, B, B

// NEXT is a round with the word that follows: W is that of sixteen rounds before, P, Q and R those of fourteen, eight and three.
#define NEXT(f, A, B, C, D, E, W, P, Q, R) \
	VPTERNLOGD $0x96, P, Q, W; \
	VPXORD     R, W, W; \
	VPROLD     $1, W, W; \
	ROUND(f, A, B, C, D, E, W)

// Five rounds bring each word back to its register.
#define FIVE(f, V, W, X, Y, Z) \
	ROUND(f, Y0, Y1, Y2, Y3, Y4, V); \
	ROUND(f, Y4, Y0, Y1, Y2, Y3, W); \
	ROUND(f, Y3, Y4, Y0, Y1, Y2, X); \
	ROUND(f, Y2, Y3, Y4, Y0, Y1, Y); \
	ROUND(f, Y1, Y2, Y3, Y4, Y0, Z)

// Five more: V to Z are their words; the others follow in the order of the schedule.
#define MORE(f, V, W, X, Y, Z, W5, W6, W8, W9, W10, W11, W12, W13, W14, W15) \
	NEXT(f, Y0, Y1, Y2, Y3, Y4, V, X, W8, W13); \
	NEXT(f, Y4, Y0, Y1, Y2, Y3, W, Y, W9, W14); \
	NEXT(f, Y3, Y4, Y0, Y1, Y2, X, Z, W10, W15); \
	NEXT(f, Y2, Y3, Y4, Y0, Y1, Y, W5, W11, V); \
	NEXT(f, Y1, Y2, Y3, Y4, Y0, Z, W6, W12, W)

#define CH     0xca
#define PARITY 0x96
#define MAJ    0xe8

DATA order<>+0(SB)/8, $0x0405060700010203
DATA order<>+8(SB)/8, $0x0c0d0e0f08090a0b
DATA order<>+16(SB)/8, $0x0405060700010203
DATA order<>+24(SB)/8, $0x0c0d0e0f08090a0b
GLOBL order<>(SB), RODATA|NOPTR, $32

// The constants of the rounds (FIPS 180-4 section 4.2.1), the bit behind a message, and the bits of a key block and a digest.
DATA constants<>+0(SB)/4, $0x5a827999
DATA constants<>+4(SB)/4, $0x6ed9eba1
DATA constants<>+8(SB)/4, $0x8f1bbcdc
DATA constants<>+12(SB)/4, $0xca62c1d6
DATA constants<>+16(SB)/4, $0x80000000
DATA constants<>+20(SB)/4, $672
GLOBL constants<>(SB), RODATA|NOPTR, $24

// func run(inner, outer *words, messages *[Lanes][room]byte, blocks int)
TEXT ·run(SB), NOSPLIT, $0-32
	MOVQ    inner+0(FP), AX
	MOVQ    outer+8(FP), BX
	MOVQ    messages+16(FP), SI
	MOVQ    blocks+24(FP), CX
	MOVQ    AX, DX             // where the state before the present block is
	VMOVDQU order<>(SB), Y8
	VMOVDQU 0(AX), Y0
	VMOVDQU 32(AX), Y1
	VMOVDQU 64(AX), Y2
	VMOVDQU 96(AX), Y3
	VMOVDQU 128(AX), Y4

block:
	QUAD(0, Y16, Y17, Y18, Y19)
	QUAD(16, Y20, Y21, Y22, Y23)
	QUAD(32, Y24, Y25, Y26, Y27)
	QUAD(48, Y28, Y29, Y30, Y31)
	ADDQ $64, SI

compress:
	VPBROADCASTD constants<>+0(SB), Y7
	FIVE(CH, Y16, Y17, Y18, Y19, Y20)
	FIVE(CH, Y21, Y22, Y23, Y24, Y25)
	FIVE(CH, Y26, Y27, Y28, Y29, Y30)
	ROUND(CH, Y0, Y1, Y2, Y3, Y4, Y31)
	NEXT(CH, Y4, Y0, Y1, Y2, Y3, Y16, Y18, Y24, Y29)
	NEXT(CH, Y3, Y4, Y0, Y1, Y2, Y17, Y19, Y25, Y30)
	NEXT(CH, Y2, Y3, Y4, Y0, Y1, Y18, Y20, Y26, Y31)
	NEXT(CH, Y1, Y2, Y3, Y4, Y0, Y19, Y21, Y27, Y16)
	VPBROADCASTD constants<>+4(SB), Y7
	MORE(PARITY, Y20, Y21, Y22, Y23, Y24, Y25, Y26, Y28, Y29, Y30, Y31, Y16, Y17, Y18, Y19)
	MORE(PARITY, Y25, Y26, Y27, Y28, Y29, Y30, Y31, Y17, Y18, Y19, Y20, Y21, Y22, Y23, Y24)
	MORE(PARITY, Y30, Y31, Y16, Y17, Y18, Y19, Y20, Y22, Y23, Y24, Y25, Y26, Y27, Y28, Y29)
	MORE(PARITY, Y19, Y20, Y21, Y22, Y23, Y24, Y25, Y27, Y28, Y29, Y30, Y31, Y16, Y17, Y18)
	VPBROADCASTD constants<>+8(SB), Y7
	MORE(MAJ, Y24, Y25, Y26, Y27, Y28, Y29, Y30, Y16, Y17, Y18, Y19, Y20, Y21, Y22, Y23)
	MORE(MAJ, Y29, Y30, Y31, Y16, Y17, Y18, Y19, Y21, Y22, Y23, Y24, Y25, Y26, Y27, Y28)
	MORE(MAJ, Y18, Y19, Y20, Y21, Y22, Y23, Y24, Y26, Y27, Y28, Y29, Y30, Y31, Y16, Y17)
	MORE(MAJ, Y23, Y24, Y25, Y26, Y27, Y28, Y29, Y31, Y16, Y17, Y18, Y19, Y20, Y21, Y22)
	VPBROADCASTD constants<>+12(SB), Y7
	MORE(PARITY, Y28, Y29, Y30, Y31, Y16, Y17, Y18, Y20, Y21, Y22, Y23, Y24, Y25, Y26, Y27)
	MORE(PARITY, Y17, Y18, Y19, Y20, Y21, Y22, Y23, Y25, Y26, Y27, Y28, Y29, Y30, Y31, Y16)
	MORE(PARITY, Y22, Y23, Y24, Y25, Y26, Y27, Y28, Y30, Y31, Y16, Y17, Y18, Y19, Y20, Y21)
	MORE(PARITY, Y27, Y28, Y29, Y30, Y31, Y16, Y17, Y19, Y20, Y21, Y22, Y23, Y24, Y25, Y26)

	VPADDD  0(DX), Y0, Y0
	VPADDD  32(DX), Y1, Y1
	VPADDD  64(DX), Y2, Y2
	VPADDD  96(DX), Y3, Y3
	VPADDD  128(DX), Y4, Y4
	CMPQ    DX, BX
	JEQ     done
	DECQ    CX
	JZ      digest
	VMOVDQU Y0, 0(AX)
	VMOVDQU Y1, 32(AX)
	VMOVDQU Y2, 64(AX)
	VMOVDQU Y3, 96(AX)
	VMOVDQU Y4, 128(AX)
	JMP     block

digest:
	VMOVDQA32    Y0, Y16
	VMOVDQA32    Y1, Y17
	VMOVDQA32    Y2, Y18
	VMOVDQA32    Y3, Y19
	VMOVDQA32    Y4, Y20
	VPBROADCASTD constants<>+16(SB), Y21
	VPXORD       Y22, Y22, Y22
	VMOVDQA32    Y22, Y23
	VMOVDQA32    Y22, Y24
	VMOVDQA32    Y22, Y25
	VMOVDQA32    Y22, Y26
	VMOVDQA32    Y22, Y27
	VMOVDQA32    Y22, Y28
	VMOVDQA32    Y22, Y29
	VMOVDQA32    Y22, Y30
	VPBROADCASTD constants<>+20(SB), Y31
	MOVQ         BX, DX
	VMOVDQU      0(BX), Y0
	VMOVDQU      32(BX), Y1
	VMOVDQU      64(BX), Y2
	VMOVDQU      96(BX), Y3
	VMOVDQU      128(BX), Y4
	JMP          compress

done:
	VMOVDQU Y0, 0(AX)
	VMOVDQU Y1, 32(AX)
	VMOVDQU Y2, 64(AX)
	VMOVDQU Y3, 96(AX)
	VMOVDQU Y4, 128(AX)
	VZEROUPPER
	RET
