/*-------------------------------------------------------------------------
 *
 * jose_test.c
 *	  Unit tests of src/jose, which run without a server.
 *
 * A plain program that prints TAP and exits with 1 if a test failed.  The
 * vectors at its head are copied from the RFCs that are named with them.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include "jose/jose.h"

/* RFC 7515, appendix A.1: HS256 */
static const char a1_k[] =
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4h"
	"cgUuTwjAzZr1Z9CAow";

static const char a1_token[] =
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHA"
	"iOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
	"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/* RFC 7515, appendix A.2: RS256 */
static const char a2_n[] =
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw"
	"-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b3269"
	"0r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS"
	"-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aG"
	"hyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp"
	"oQ";

static const char a2_d[] =
	"Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sL"
	"KMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-Gj"
	"BVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdG"
	"copV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_j"
	"Tj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopz"
	"nQ";

static const char a2_p[] =
	"4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l5"
	"8BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1V"
	"hvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";

static const char a2_q[] =
	"uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYs"
	"p1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv"
	"5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";

static const char a2_dp[] =
	"BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9Y"
	"kxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2"
	"u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0";

static const char a2_dq[] =
	"h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbK"
	"gB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgO"
	"S1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU";

static const char a2_qi[] =
	"IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScG"
	"Lq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYa"
	"wBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";

static const char a2_token[] =
	"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQo"
	"gImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF"
	"80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
	"2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO7"
	"5vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j"
	"zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgG"
	"Y9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

/* RFC 7515, appendix A.3: ES256 */
static const char a3_x[] =
	"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";

static const char a3_y[] =
	"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

static const char a3_d[] =
	"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";

static const char a3_token[] =
	"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQo"
	"gImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfU"
	"AqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/* RFC 7515, appendix A.4: ES512 */
static const char a4_x[] =
	"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1j"
	"SfS9tsz4qUxcWceqwQGk";

static const char a4_y[] =
	"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0A"
	"ZMaZmh9ubmf63e3kyMj2";

static const char a4_d[] =
	"AY5pb7A0UFiB3RELSD64fTLOSV_jazdF7fLYyuTw8lOfRhWg6Y6rUrPAxerEzgdRhajn"
	"u0ferB0d53vM9mE15j2C";

static const char a4_token[] =
	"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_"
	"UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgo"
	"XD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLze"
	"O_Jn";

/* RFC 7638, section 3.1 */
static const char t31_n[] =
	"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1R"
	"K7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9"
	"yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZg"
	"nYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6We"
	"Zu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDK"
	"gw";

static const char t31_thumbprint[] =
	"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

/* RFC 7520, sections 3.3 and 3.4: RSA */
static const char cook_rsa_n[] =
	"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhx"
	"JWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC"
	"0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNL"
	"YD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniU"
	"FAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5"
	"zw";

static const char cook_rsa_d[] =
	"bWUC9B-EFRIo8kpGfh0ZuyGPvMNKvYWNtB_ikiH9k20eT-O1q_I78eiZkpXxXQ0UTEs2"
	"LsNRS-8uJbvQ-A1irkwMSMkK1J3XTGgdrhCku9gRldY7sNA_AKZGh-Q661_42rINLRCe"
	"8W-nZ34ui_qOfkLnK9QWDDqpaIsA-bMwWWSDFu2MUBYwkHTMEzLYGqOe04noqeq1hExB"
	"THBOBdkMXiuFhUq1BU6l-DqEiWxqg82sXt2h-LMnT3046AOYJoRioz75tSUQfGCshWTB"
	"nP5uDjd18kKhyv07lhfSJdrPdM5Plyl21hsFf4L_mHCuoFau7gdsPfHPxxjVOcOpBrQz"
	"wQ";

static const char cook_rsa_p[] =
	"3Slxg_DwTXJcb6095RoXygQCAZ5RnAvZlno1yhHtnUex_fp7AZ_9nRaO7HX_-SFfGQeu"
	"tao2TDjDAWU4Vupk8rw9JR0AzZ0N2fvuIAmr_WCsmGpeNqQnev1T7IyEsnh8UMt-n5Ca"
	"fhkikzhEsrmndH6LxOrvRJlsPp6Zv8bUq0k";

static const char cook_rsa_q[] =
	"uKE2dh-cTf6ERF4k4e_jy78GfPYUIaUyoSSJuBzp3Cubk3OCqs6grT8bR_cu0Dm1MZwW"
	"mtdqDyI95HrUeq3MP15vMMON8lHTeZu2lmKvwqW7anV5UzhM1iZ7z4yMkuUwFWoBvyY8"
	"98EXvRD-hdqRxHlSqAZ192zB3pVFJ0s7pFc";

static const char cook_rsa_dp[] =
	"B8PVvXkvJrj2L-GYQ7v3y9r6Kw5g9SahXBwsWUzp19TVlgI-YV85q1NIb1rxQtD-IsXX"
	"R3-TanevuRPRt5OBOdiMGQp8pbt26gljYfKU_E9xn-RULHz0-ed9E9gXLKD4VGngpz-P"
	"fQ_q29pk5xWHoJp009Qf1HvChixRX59ehik";

static const char cook_rsa_dq[] =
	"CLDmDGduhylc9o7r84rEUVn7pzQ6PF83Y-iBZx5NT-TpnOZKF1pErAMVeKzFEl41DlHH"
	"qqBLSM0W1sOFbwTxYWZDm6sI6og5iTbwQGIC3gnJKbi_7k_vJgGHwHxgPaX2PnvP-zyE"
	"kDERuf-ry4c_Z11Cq9AqC2yeL6kdKT1cYF8";

static const char cook_rsa_qi[] =
	"3PiqvXQN0zwMeE-sBvZgi289XP9XCQF3VWqPzMKnIgQp7_Tugo6-NZBKCQsMf3HaEGBj"
	"TVJs_jcK8-TRXvaKe-7ZMaQj8VfBdYkssbu0NKDDhjJ-GtiseaDVWt7dcH0cfwxgFUHp"
	"Qh7FoCrjFJ6h6ZEpMF6xmujs4qMpPz8aaI4";

/* RFC 7520, sections 3.1 and 3.2: P-521 */
static const char cook_ec_x[] =
	"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyek"
	"WF-7ytDyRXYgCF5cj0Kt";

static const char cook_ec_y[] =
	"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQ"
	"rJmbnX9cwlGfP-HqHZR1";

static const char cook_ec_d[] =
	"AAhRON2r9cqXX1hg-RoI6R1tX5p2rUAYdmpHZoC1XNM56KtscrX6zbKipQrCW9CGZH3T"
	"4ubpnoTKLDYJ_fF3_rJt";

/* RFC 7520, sections 4.1 to 4.4: RS256, PS384, ES512 and HS256 */
static const char cook_4_1_token[] =
	"eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBs"
	"ZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHl"
	"vdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCB"
	"rZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h"
	"0IGJlIHN3ZXB0IG9mZiB0by4.MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHox"
	"nW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBw"
	"A78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5"
	"aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjlu"
	"PxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u"
	"9ipH84ogoree7vjbU5y18kDquDg";

static const char cook_4_2_token[] =
	"eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBs"
	"ZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHl"
	"vdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCB"
	"rZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h"
	"0IGJlIHN3ZXB0IG9mZiB0by4.cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy4"
	"2miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpc"
	"bUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJR"
	"mBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDz"
	"T0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJ"
	"UAfmWjwZ6oD4ifKo8DYM-X72Eaw";

static const char cook_4_3_token[] =
	"eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBs"
	"ZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHl"
	"vdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCB"
	"rZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h"
	"0IGJlIHN3ZXB0IG9mZiB0by4.AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNla"
	"AjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDx"
	"XPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2";

static const char cook_4_4_token[] =
	"eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMx"
	"NGJjNzAzNyJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmc"
	"gb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSB"
	"kb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW9"
	"1IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA"
	"7g1Md7p0";

static const char cook_4_4_k[] =
	"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg";

/* RFC 8037, appendix A */
static const char ed_x[] =
	"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

static const char ed_d[] =
	"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

static const char ed_token[] =
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGC"
	"jP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_"
	"MuM0KAg";

static const char ed_thumbprint[] =
	"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

/* A promotion request from Authgear's own end-to-end test: RS256 */
static const char authgear_n[] =
	"gqP1JZx3RJmCuEfGznR9Yhqrh78Ty9vRAT-FauLzpIOMQ1u0S2L_rfQqAwiI2S73uWGX"
	"jnDoJ_lnp72b6Mi_ZagbnAbJQ7lWWX8LxgYwWAm8AxX32Q-gQyxcEAhhlUxDsWhknpBa"
	"kdDS06hoTVSrUbt60I7EhMMaQuhz1Js4KTGSoBn0QXASBcLDxd0jUAc0frCW0SDvy5bJ"
	"CUKUTHhmXDjYDc_hRm9PYGrccC8lDpXxoLldCshWUZeurmhUNaNwmkMhlf95_lB2WX7f"
	"UNwYb36J2vegoVDvtymUHOpYKNKvyGm7QYHaSj8u8dgOP7z5IrXctrztYOSuLZkL7iSC"
	"3Q";

static const char authgear_token[] =
	"eyJraWQiOiI0QUJERDhBNy0yMTAyLTRBQTAtQTIyOS0yOTk0NTZBNDVCMzMiLCJhbGci"
	"OiJSUzI1NiIsInR5cCI6InZuZC5hdXRoZ2Vhci5hbm9ueW1vdXMtcmVxdWVzdCJ9.eyJ"
	"kZXZpY2VfaW5mbyI6e30sImNoYWxsZW5nZSI6IjJZVzhONk1TME1QU0E4ODBKS1pSVEt"
	"RUjYzV1M2TTdIIiwiaWF0IjoxNzQ5NzE1NDQ3LCJleHAiOjU3NDk3MTU1MDcsImFjdGl"
	"vbiI6InByb21vdGUifQ.cIJrgxs1nLvNyHHrrcS0x4Dut6c1PtmcIHfI9ioQ5l9dV6qg"
	"PH-KSKyomxKdqX-uj2DSiISI4-DPKugvGK276EqWGB0WCShQcEn0ZtrEtjXdQz-o-CWE"
	"u5ct8Iwn38u0qH5W0HNoU5eqyr6Ykysklkvj1BZq9jaj_hT2BYeHRycBf9z-T4gLF7O3"
	"Bs6Sr5fwPjqq7z6IKu3YuZiYFQe6_LjJrAtuKscrCSRsLuFxJf9dsgiq8OQagl3qxdBd"
	"KHur37GWukDbXm-fmg9sKWyNxscc_H1-6QnQSfYLGy-LXmzWPHL8uKN09DPXyE23mz1r"
	"E_d7kFc3ZLYvrGYlc8R5fw";

/*
 * Test harness: TAP.  Every check also requires an empty OpenSSL error queue.
 * In a server, other code in the same process would report entries left there.
 */
static int	test_count;
static int	failure_count;

static void
ok(bool passed, const char *format,...)
{
	va_list		arguments;
	bool		clean = ERR_peek_error() == 0;

	test_count++;
	if (!passed || !clean)
		failure_count++;
	printf("%s %d - ", passed && clean ? "ok" : "not ok", test_count);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("%s\n", clean ? "" : " (OpenSSL error queue not empty)");
	ERR_clear_error();
}

static void
ok_status(JoseStatus got, JoseStatus expected, const char *behaviour)
{
	ok(got == expected, "%s", behaviour);
	if (got != expected)
		printf("#   got: %s\n#   expected: %s\n",
			   jose_status_message(got), jose_status_message(expected));
}

static Span
span(const char *text)
{
	Span	result = {text, text != NULL ? strlen(text) : 0};

	return result;
}

/* Encodes as base64url.  The text is valid until the slot is used again. */
static const char *
b64(int slot, const uint8_t *bytes, size_t length)
{
	static char texts[8][4096];
	size_t		written = base64url_encode(texts[slot], bytes, length);

	texts[slot][written] = '\0';
	return texts[slot];
}

static size_t
unb64(const char *text, uint8_t *bytes, size_t size)
{
	if (base64url_decode(bytes, &size, text, strlen(text)) != JOSE_OK)
	{
		printf("Bail out! invalid base64url in a test: %s\n", text);
		exit(1);
	}
	return size;
}

static void
unhex(const char *hex, uint8_t *bytes)
{
	size_t		i;

	for (i = 0; hex[2 * i] != '\0'; i++)
		sscanf(hex + 2 * i, "%2hhx", &bytes[i]);
}

static JoseJwk
ec_jwk(const char *crv, const char *x, const char *y, const char *d)
{
	JoseJwk		jwk = {.kty = span("EC"), .crv = span(crv), .x = span(x), .y = span(y), .d = span(d)};

	return jwk;
}

static JoseJwk
okp_jwk(const char *x, const char *d)
{
	JoseJwk		jwk = {.kty = span("OKP"), .crv = span("Ed25519"), .x = span(x), .d = span(d)};

	return jwk;
}

static JoseJwk
oct_jwk(const char *k)
{
	JoseJwk		jwk = {.kty = span("oct"), .k = span(k)};

	return jwk;
}

static JoseJwk
rsa_jwk(const char *n, const char *e)
{
	JoseJwk		jwk = {.kty = span("RSA"), .n = span(n), .e = span(e)};

	return jwk;
}

static JoseJwk
a2_private(void)
{
	JoseJwk		jwk = rsa_jwk(a2_n, "AQAB");

	jwk.d = span(a2_d);
	jwk.p = span(a2_p);
	jwk.q = span(a2_q);
	jwk.dp = span(a2_dp);
	jwk.dq = span(a2_dq);
	jwk.qi = span(a2_qi);
	return jwk;
}

static JoseJwk
cook_rsa_private(void)
{
	JoseJwk		jwk = rsa_jwk(cook_rsa_n, "AQAB");

	jwk.d = span(cook_rsa_d);
	jwk.p = span(cook_rsa_p);
	jwk.q = span(cook_rsa_q);
	jwk.dp = span(cook_rsa_dp);
	jwk.dq = span(cook_rsa_dq);
	jwk.qi = span(cook_rsa_qi);
	return jwk;
}

static JoseKey *
must_import(JoseJwk jwk)
{
	JoseKey    *key;
	JoseStatus	status = jose_key_import(&jwk, &key);

	if (status != JOSE_OK)
	{
		printf("Bail out! a key of the tests was refused: %s\n", jose_status_message(status));
		exit(1);
	}
	return key;
}

static void
ok_import(JoseJwk jwk, JoseStatus expected, const char *behaviour)
{
	/* Not NULL, so that the test sees whether a failed import sets it to NULL. */
	JoseKey    *key = (JoseKey *) &jwk;
	JoseStatus	status = jose_key_import(&jwk, &key);

	if (status != JOSE_OK && key != NULL)
		ok(false, "%s: the refused import sets the key to NULL", behaviour);
	else
		ok_status(status, expected, behaviour);
	if (status == JOSE_OK)
		jose_key_free(key);
}

static const uint8_t *
bytes_of(const char *text)
{
	return (const uint8_t *) text;
}

static JoseStatus
verify_text(const JoseKey *key, JoseAlg alg, const char *text,
			const uint8_t *signature, size_t length)
{
	return jose_verify(key, alg, bytes_of(text), strlen(text), signature, length);
}

/*
 * base64url
 */
static void
ok_undecodable(const char *text, size_t length, const char *behaviour)
{
	uint8_t		bytes[64];
	size_t		size = sizeof(bytes);

	/* Copy the text to a buffer of exactly its size, so that sanitizers detect reads past its end. */
	char	   *copy = malloc(length > 0 ? length : 1);

	memcpy(copy, text, length);
	ok(base64url_decode(bytes, &size, copy, length) == JOSE_BAD_BASE64URL && size == 0,
	   "base64url: %s is refused", behaviour);
	free(copy);
}

static void
test_base64url_vectors(void)
{
	static const char *const vectors[][2] = {
		{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"},
		{"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"}
	};
	size_t		i;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		const char *plain = vectors[i][0];
		const char *text = vectors[i][1];
		uint8_t		bytes[16];
		size_t		size = sizeof(bytes);
		bool		decoded;

		ok(strcmp(b64(0, bytes_of(plain), strlen(plain)), text) == 0 &&
		   BASE64URL_ENCODED_LENGTH(strlen(plain)) == strlen(text),
		   "base64url: RFC 4648 vector %zu encodes to \"%s\"", i, text);
		decoded = base64url_decode(bytes, &size, text, strlen(text)) == JOSE_OK &&
			size == strlen(plain) && memcmp(bytes, plain, size) == 0;
		ok(decoded, "base64url: \"%s\" decodes", text);
	}
}

static void
test_base64url_hostile(void)
{
	ok_undecodable("A", 1, "a single character");
	ok_undecodable("AAAAA", 5, "length 5");
	ok_undecodable("Zg==", 4, "padding");
	ok_undecodable("Zm8=", 4, "single padding");
	ok_undecodable("Zm9v=", 5, "padding after whole blocks");
	ok_undecodable("Zm 9v", 5, "a blank inside");
	ok_undecodable("Zm9v\n", 5, "a trailing newline");
	ok_undecodable(" m9v", 4, "a leading blank");
	ok_undecodable("Zm9\n", 4, "a newline in a whole block");
	ok_undecodable("ab+/", 4, "the alphabet of plain base64");
	ok_undecodable("Zm9v\0Zg", 7, "a NUL inside");
	ok_undecodable("\0\0\0\0", 4, "only NULs");
	ok_undecodable("Zm9\xe9", 4, "a byte above 127");
	ok_undecodable("\xff\xff", 2, "0xff in the tail");
	ok_undecodable("QR", 2, "a non-zero bit after one byte");
	ok_undecodable("Qf", 2, "all bits set after one byte");
	ok_undecodable("QUF", 3, "non-zero bits after two bytes");
	ok_undecodable("Zm.v", 4, "a dot");
}

/* Compares the result for every pair of characters with a simple, slow model of the alphabet. */
static void
test_base64url_exhaustive(void)
{
	static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	int			wrong = 0;
	int			a;
	int			b;

	for (a = 0; a < 256; a++)
	{
		for (b = 0; b < 256; b++)
		{
			char		text[4] = {(char) a, (char) b, (char) b, (char) a};
			const char *at = a != 0 ? strchr(alphabet, a) : NULL;
			const char *bt = b != 0 ? strchr(alphabet, b) : NULL;
			uint8_t		bytes[3];
			size_t		size = sizeof(bytes);
			bool		two;
			bool		four;

			two = base64url_decode(bytes, &size, text, 2) == JOSE_OK;
			if (two != (at != NULL && bt != NULL && (bt - alphabet) % 16 == 0))
				wrong++;
			if (two && bytes[0] != ((at - alphabet) << 2 | (bt - alphabet) >> 4))
				wrong++;
			size = sizeof(bytes);
			four = base64url_decode(bytes, &size, text, 4) == JOSE_OK;
			if (four != (at != NULL && bt != NULL))
				wrong++;
			if (four && memcmp(b64(0, bytes, 3), text, 4) != 0)
				wrong++;
		}
	}
	ok(wrong == 0, "base64url: every pair of bytes is decoded or refused like in the model");
}

static void
test_base64url_sizes(void)
{
	uint8_t		source[300];
	uint8_t		back[300];
	size_t		length;
	int			wrong = 0;

	for (length = 0; length <= sizeof(source); length++)
	{
		char	   *text = malloc(BASE64URL_ENCODED_LENGTH(length) + 1);
		size_t		written;
		size_t		size = length;

		randombytes_buf(source, length);
		written = base64url_encode(text, source, length);
		if (written != BASE64URL_ENCODED_LENGTH(length) ||
			BASE64URL_DECODED_MAX(written) < length ||
			base64url_decode(back, &size, text, written) != JOSE_OK ||
			size != length || memcmp(source, back, length) != 0)
			wrong++;
		size = length - 1;
		if (length > 0 && base64url_decode(back, &size, text, written) != JOSE_TOO_LARGE)
			wrong++;
		free(text);
	}
	ok(wrong == 0, "base64url: 0 to 300 random bytes survive a round trip, and need a buffer of exactly their size");
}

/*
 * Splitting of compact serializations
 */
static void
ok_split(const char *token, size_t length, JoseStatus expected, const char *behaviour)
{
	JoseCompact parts;
	JoseStatus	status;
	char	   *copy = malloc(length > 0 ? length : 1);

	memcpy(copy, token, length);
	status = jose_compact_split(copy, length, &parts);
	ok(status == expected && (status == JOSE_OK || parts.header.data == NULL),
	   "split: %s", behaviour);
	free(copy);
}

static void
test_split(void)
{
	JoseCompact parts;
	const char *token = "YWI.Y2Q.ZWY";

	ok(jose_compact_split(token, 11, &parts) == JOSE_OK &&
	   parts.header.data == token && parts.header.length == 3 &&
	   parts.payload.data == token + 4 && parts.payload.length == 3 &&
	   parts.signature.data == token + 8 && parts.signature.length == 3 &&
	   parts.signing_input.data == token && parts.signing_input.length == 7,
	   "split: the parts point into the token");
	ok_split("YWI..ZWY", 8, JOSE_OK, "an empty payload is accepted");
	ok_split("", 0, JOSE_BAD_FORMAT, "an empty text is refused");
	ok_split("YWI", 3, JOSE_BAD_FORMAT, "one part is refused");
	ok_split("YWI.Y2Q", 7, JOSE_BAD_FORMAT, "two parts are refused");
	ok_split("YWI.Y2Q.ZWY.ZWY", 15, JOSE_BAD_FORMAT, "four parts are refused");
	ok_split("YWI.Y2Q.Z.Z.Z", 13, JOSE_BAD_FORMAT, "five parts, as in a JWE, are refused");
	ok_split("YWI.Y2Q.ZWY.", 12, JOSE_BAD_FORMAT, "a trailing dot is refused");
	ok_split(".", 1, JOSE_BAD_FORMAT, "a single dot is refused");
	ok_split("..", 2, JOSE_BAD_FORMAT, "only two dots are refused");
	ok_split("...", 3, JOSE_BAD_FORMAT, "only three dots are refused");
	ok_split(".Y2Q.ZWY", 8, JOSE_BAD_FORMAT, "an empty header is refused");
	ok_split("YWI.Y2Q.", 8, JOSE_BAD_FORMAT, "a stripped signature is refused");
	ok_split("YWI.Y2Q.ZWY\n", 12, JOSE_BAD_BASE64URL, "a trailing newline is refused");
	ok_split(" YWI.Y2Q.ZWY", 12, JOSE_BAD_BASE64URL, "a leading blank is refused");
	ok_split("YWI.Y2Q.ZWY\0", 12, JOSE_BAD_BASE64URL, "a trailing NUL is refused");
	ok_split("YWI.\0002Q.ZWY", 11, JOSE_BAD_BASE64URL, "a NUL in the payload is refused");
	ok_split("YWI=.Y2Q.ZWY", 12, JOSE_BAD_BASE64URL, "padding is refused");
	ok_split("YW+.Y2Q.ZWY", 11, JOSE_BAD_BASE64URL, "the alphabet of plain base64 is refused");
	ok_split("YWIAA.Y2Q.ZWY", 13, JOSE_BAD_BASE64URL, "a header of length 1 modulo 4 is refused");
	ok_split("YWI.Y.ZWY", 9, JOSE_BAD_BASE64URL, "a payload of length 1 modulo 4 is refused");
	ok_split("YWI.Y2Q.Z", 9, JOSE_BAD_BASE64URL, "a signature of length 1 modulo 4 is refused");
	ok_split("YWJ.Y2Q.ZWY", 11, JOSE_BAD_BASE64URL, "a header with unused bits set is refused");
	ok_split("YWI.Y2R.ZWY", 11, JOSE_BAD_BASE64URL, "a payload with unused bits set is refused");
	ok_split("YWI.Yx.ZWY", 10, JOSE_BAD_BASE64URL, "a payload with four unused bits set is refused");
	ok_split("YWI.Y2Q.ZWZ", 11, JOSE_BAD_BASE64URL, "a signature with unused bits set is refused");
	ok_split("YWI.Y2Q.ZW\xc3", 11, JOSE_BAD_BASE64URL, "a byte above 127 is refused");
	ok_split("{\"payload\":\"a.b.c\"}", 19, JOSE_BAD_BASE64URL, "the JSON serialization is refused");
}

static void
test_split_limits(void)
{
	char	   *token = malloc(JOSE_MAX_TOKEN_LENGTH + 4);

	memset(token, 'A', JOSE_MAX_TOKEN_LENGTH + 4);
	token[4] = '.';
	token[JOSE_MAX_TOKEN_LENGTH - 5] = '.';
	ok_split(token, JOSE_MAX_TOKEN_LENGTH, JOSE_OK, "a token of the maximum length is accepted");
	ok_split(token, JOSE_MAX_TOKEN_LENGTH + 1, JOSE_TOO_LARGE, "a token of the maximum length plus one byte is refused");
	token[JOSE_MAX_TOKEN_LENGTH - 1] = '\n';
	ok_split(token, JOSE_MAX_TOKEN_LENGTH, JOSE_BAD_BASE64URL,
			 "a token of the maximum length is checked to its end");
	free(token);
}

/*
 * Algorithms and statuses
 */
static void
test_alg_names(void)
{
	static const char *const unknown[] = {
		"", "none", "None", "NONE", "nOnE", "HS256 ", " HS256", "hs256", "Hs256", "HS25",
		"HS2566", "ES256K", "RS1", "HS1", "ES521", "PS257", "EDDSA", "eddsa", "ED25519", "ed25519", "Ed448",
		"RSA-OAEP", "dir", "unknown"
	};
	int			alg;
	size_t		i;
	int			wrong = 0;
	Span	absent = {NULL, 0};
	Span	with_nul = {"HS256\0", 6};

	for (alg = JOSE_ALG_UNKNOWN + 1; alg < JOSE_ALG_END; alg++)
		wrong += jose_alg_by_name(span(jose_alg_name((JoseAlg) alg))) != (JoseAlg) alg;
	ok(wrong == 0, "alg: jose_alg_by_name() finds every algorithm by its name");
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		ok(jose_alg_by_name(span(unknown[i])) == JOSE_ALG_UNKNOWN,
		   "alg: \"%s\" is unknown", unknown[i]);
	ok(jose_alg_by_name(span("Ed25519")) == JOSE_ALG_EDDSA &&
	   strcmp(jose_alg_name(JOSE_ALG_EDDSA), "EdDSA") == 0,
	   "alg: Ed25519 is a synonym, which is not written");
	ok(jose_alg_by_name(absent) == JOSE_ALG_UNKNOWN, "alg: an absent name is unknown");
	ok(jose_alg_by_name(with_nul) == JOSE_ALG_UNKNOWN, "alg: a NUL after the name makes it unknown");
	for (wrong = 0, alg = JOSE_ALG_UNKNOWN; alg < JOSE_ALG_END; alg++)
		wrong += jose_alg_is_symmetric((JoseAlg) alg) != (strncmp(jose_alg_name((JoseAlg) alg), "HS", 2) == 0);
	ok(wrong == 0, "alg: only HMAC algorithms are symmetric");
	ok(strcmp(jose_alg_name(JOSE_ALG_UNKNOWN), "unknown") == 0 &&
	   strcmp(jose_alg_name((JoseAlg) 99), "unknown") == 0 &&
	   strcmp(jose_alg_name((JoseAlg) -1), "unknown") == 0,
	   "alg: the name of an invalid algorithm is \"unknown\"");
}

static void
test_alg_uses(void)
{
	char		list[JOSE_ALG_LIST_SIZE];
	int			alg;
	int			wrong = 0;

	ok(strncmp(jose_alg_list(JOSE_USE_SIGN_TOKENS, " or ", NULL, list), "ES256, ", 7) == 0 &&
	   strcmp(list + strlen(list) - 9, " or HS256") == 0,
	   "alg: a list has the order of the table, with a conjunction before the last name");
	for (alg = JOSE_ALG_UNKNOWN; alg <= JOSE_ALG_END; alg++)
		wrong += jose_alg_is_for((JoseAlg) alg, JOSE_USE_MAKE_KEYS) !=
			(jose_alg_is_for((JoseAlg) alg, JOSE_USE_SIGN_TOKENS) && !jose_alg_is_symmetric((JoseAlg) alg));
	ok(wrong == 0, "alg: keys can be generated for the asymmetric algorithms that sign tokens");
	ok(strncmp(jose_alg_list(JOSE_USE_MAKE_KEYS, ", ", "\"", list), "\"ES256\", \"", 10) == 0,
	   "alg: the names in a list can be quoted");
	wrong = 0;
	for (alg = JOSE_ALG_UNKNOWN; alg <= JOSE_ALG_END; alg++)
		wrong += jose_alg_is_for((JoseAlg) alg, JOSE_USE_DEVICE_KEYS) &&
			jose_alg_is_symmetric((JoseAlg) alg);
	ok(wrong == 0, "alg: no symmetric algorithm is allowed for device keys");
	ok(!jose_alg_is_for(JOSE_ALG_UNKNOWN, JOSE_USE_VERIFY) && !jose_alg_is_for(JOSE_ALG_END, JOSE_USE_VERIFY),
	   "alg: an invalid algorithm is allowed for no use");
	for (wrong = 0, alg = JOSE_ALG_UNKNOWN + 1; alg < JOSE_ALG_END; alg++)
		wrong += strstr(jose_alg_list(JOSE_USE_VERIFY, " and ", NULL, list), jose_alg_name((JoseAlg) alg)) == NULL;
	ok(wrong == 0, "alg: the buffer of a list has room for all algorithms");
}

static void
test_status_messages(void)
{
	int			status;
	int			wrong = 0;

	for (status = JOSE_OK; status <= JOSE_FAILURE; status++)
	{
		const char *message = jose_status_message((JoseStatus) status);

		wrong += message == NULL || strcmp(message, "unknown status") == 0 ||
			message[strlen(message) - 1] == '.';
	}
	ok(wrong == 0, "status: every status has a message");
	ok(jose_status_message((JoseStatus) 99) != NULL &&
	   jose_status_message((JoseStatus) -1) != NULL,
	   "status: an invalid status has a message");
}

/*
 * Published vectors
 */
static JoseStatus
verify_token(JoseJwk jwk, JoseAlg alg, const char *token)
{
	JoseCompact parts;
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		length = sizeof(signature);
	JoseKey    *key = must_import(jwk);
	JoseStatus	status = jose_compact_split(token, strlen(token), &parts);

	if (status == JOSE_OK)
		status = base64url_decode(signature, &length, parts.signature.data, parts.signature.length);
	if (status == JOSE_OK)
		status = jose_verify(key, alg, bytes_of(parts.signing_input.data),
							 parts.signing_input.length, signature, length);
	jose_key_free(key);
	return status;
}

/* For deterministic algorithms: signing gives exactly this token. */
static bool
signs_token(JoseJwk jwk, JoseAlg alg, const char *token)
{
	JoseCompact parts;
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		length = sizeof(signature);
	JoseKey    *key = must_import(jwk);
	bool		same;

	if (jose_compact_split(token, strlen(token), &parts) != JOSE_OK)
		return false;
	same = jose_sign(key, alg, bytes_of(parts.signing_input.data),
					 parts.signing_input.length, signature, &length) == JOSE_OK &&
		strcmp(b64(0, signature, length), parts.signature.data) == 0;
	jose_key_free(key);
	return same;
}

static void
test_vectors(void)
{
	ok_status(verify_token(oct_jwk(a1_k), JOSE_ALG_HS256, a1_token), JOSE_OK,
			  "vector: RFC 7515 A.1 HS256 verifies");
	ok(signs_token(oct_jwk(a1_k), JOSE_ALG_HS256, a1_token), "vector: RFC 7515 A.1 HS256 signs");
	ok_status(verify_token(rsa_jwk(a2_n, "AQAB"), JOSE_ALG_RS256, a2_token), JOSE_OK,
			  "vector: RFC 7515 A.2 RS256 verifies");
	ok(signs_token(a2_private(), JOSE_ALG_RS256, a2_token), "vector: RFC 7515 A.2 RS256 signs");
	ok_status(verify_token(ec_jwk("P-256", a3_x, a3_y, NULL), JOSE_ALG_ES256, a3_token), JOSE_OK,
			  "vector: RFC 7515 A.3 ES256 verifies");
	ok_status(verify_token(ec_jwk("P-521", a4_x, a4_y, a4_d), JOSE_ALG_ES512, a4_token), JOSE_OK,
			  "vector: RFC 7515 A.4 ES512 verifies, with its private key too");
	ok_status(verify_token(rsa_jwk(cook_rsa_n, "AQAB"), JOSE_ALG_RS256, cook_4_1_token), JOSE_OK,
			  "vector: RFC 7520 4.1 RS256 verifies");
	ok(signs_token(cook_rsa_private(), JOSE_ALG_RS256, cook_4_1_token),
	   "vector: RFC 7520 4.1 RS256 signs");
	ok_status(verify_token(cook_rsa_private(), JOSE_ALG_PS384, cook_4_2_token), JOSE_OK,
			  "vector: RFC 7520 4.2 PS384 verifies");
	ok_status(verify_token(ec_jwk("P-521", cook_ec_x, cook_ec_y, NULL), JOSE_ALG_ES512,
						   cook_4_3_token), JOSE_OK,
			  "vector: RFC 7520 4.3 ES512 verifies");
	ok_status(verify_token(oct_jwk(cook_4_4_k), JOSE_ALG_HS256, cook_4_4_token), JOSE_OK,
			  "vector: RFC 7520 4.4 HS256 verifies");
	ok(signs_token(oct_jwk(cook_4_4_k), JOSE_ALG_HS256, cook_4_4_token),
	   "vector: RFC 7520 4.4 HS256 signs");
	ok_status(verify_token(okp_jwk(ed_x, NULL), JOSE_ALG_EDDSA, ed_token), JOSE_OK,
			  "vector: RFC 8037 A.5 EdDSA verifies");
	ok(signs_token(okp_jwk(ed_x, ed_d), JOSE_ALG_EDDSA, ed_token), "vector: RFC 8037 A.4 EdDSA signs");
	ok_status(verify_token(rsa_jwk(authgear_n, "AQAB"), JOSE_ALG_RS256, authgear_token), JOSE_OK,
			  "vector: Authgear's promotion request verifies");
	ok_status(verify_token(rsa_jwk(a2_n, "AQAB"), JOSE_ALG_RS256, authgear_token), JOSE_BAD_SIGNATURE,
			  "vector: Authgear's promotion request does not verify with another key");
}

/* RFC 4231, test case 6: the first one whose key is long enough for HS512. */
static void
test_hmac_vectors(void)
{
	static const char *const tags[] = {
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
		"4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
		"0c2ef6ab4030fe8296248df163f44952",
		"80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
		"6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
	};
	uint8_t		secret[131];
	JoseKey    *key;
	int			i;

	memset(secret, 0xaa, sizeof(secret));
	key = must_import(oct_jwk(b64(0, secret, sizeof(secret))));
	for (i = 0; i < 3; i++)
	{
		JoseAlg		alg = (JoseAlg) (JOSE_ALG_HS256 + i);
		uint8_t		tag[64];

		unhex(tags[i], tag);
		ok_status(verify_text(key, alg, "Test Using Larger Than Block-Size Key - Hash Key First",
							  tag, strlen(tags[i]) / 2), JOSE_OK,
				  "vector: RFC 4231 test case 6 verifies");
	}
	jose_key_free(key);
}

static void
ok_thumbprint(JoseJwk jwk, const char *expected, const char *behaviour)
{
	JoseKey    *key = must_import(jwk);
	uint8_t		thumbprint[JOSE_THUMBPRINT_LENGTH];

	ok(jose_key_thumbprint(key, thumbprint) == JOSE_OK &&
	   strcmp(b64(0, thumbprint, sizeof(thumbprint)), expected) == 0,
	   "thumbprint: %s", behaviour);
	jose_key_free(key);
}

static void
test_thumbprints(void)
{
	JoseKey    *key;
	char		jwk[JOSE_MAX_PUBLIC_JWK_LENGTH];
	size_t		length;

	ok_thumbprint(rsa_jwk(t31_n, "AQAB"), t31_thumbprint, "RFC 7638 3.1");
	ok_thumbprint(okp_jwk(ed_x, NULL), ed_thumbprint, "RFC 8037 A.3");
	ok_thumbprint(okp_jwk(ed_x, ed_d), ed_thumbprint, "a private key has the thumbprint of its public key");

	key = must_import(ec_jwk("P-256", a3_x, a3_y, a3_d));
	length = sizeof(jwk);
	ok(jose_key_public_jwk(key, jwk, &length) == JOSE_OK && length == 126 &&
	   memcmp(jwk, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			  "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}", 126) == 0,
	   "public jwk: the JWK of an EC key does not contain d");
	length = 125;
	ok(jose_key_public_jwk(key, jwk, &length) == JOSE_TOO_LARGE && length == 0,
	   "public jwk: a buffer that is one byte too small is refused");
	length = 0;
	ok(jose_key_public_jwk(key, jwk, &length) == JOSE_TOO_LARGE, "public jwk: an empty buffer is refused");
	jose_key_free(key);

	key = must_import(oct_jwk(cook_4_4_k));
	length = sizeof(jwk);
	ok(jose_key_public_jwk(key, jwk, &length) == JOSE_OK && length == 63 &&
	   memcmp(jwk, "{\"k\":\"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg\",\"kty\":\"oct\"}", length) == 0,
	   "public jwk: the JWK of a symmetric key contains its secret");
	jose_key_free(key);
}

/*
 * Signing and verifying with every algorithm
 */
static JoseKey *
key_for(JoseAlg alg)
{
	uint8_t		secret[64];
	JoseKey    *key;

	memset(secret, 0x5c, sizeof(secret));
	switch (jose_alg_info(alg)->key_type)
	{
		case JOSE_KEY_OCT:
			return must_import(oct_jwk(b64(0, secret, sizeof(secret))));
		case JOSE_KEY_RSA:
			return must_import(a2_private());
		default:
			return jose_key_generate(alg, &key) == JOSE_OK ? key : NULL;
	}
}

static size_t
signature_length_of(JoseAlg alg)
{
	size_t		length = jose_alg_info(alg)->signature_length;

	/* key_for() returns an RSA key of 2048 bits. */
	return length > 0 ? length : 256;
}

static void
tamper(const JoseKey *key, JoseAlg alg, const char *input, uint8_t *signature, size_t length)
{
	const char *name = jose_alg_name(alg);
	char		changed[64];
	size_t		i;
	int			accepted = 0;

	for (i = 0; i < length; i++)
	{
		uint8_t		bit = (uint8_t) (1 << i % 8);

		signature[i] ^= bit;
		accepted += verify_text(key, alg, input, signature, length) != JOSE_BAD_SIGNATURE;
		signature[i] ^= bit;
	}
	ok(accepted == 0, "%s: a signature with a flipped bit in any byte is refused", name);

	accepted = 0;
	for (i = 0; i < strlen(input); i++)
	{
		strcpy(changed, input);
		changed[i] ^= 1;
		accepted += verify_text(key, alg, changed, signature, length) != JOSE_BAD_SIGNATURE;
	}
	accepted += jose_verify(key, alg, bytes_of(input), strlen(input) - 1,
							signature, length) != JOSE_BAD_SIGNATURE;
	accepted += jose_verify(key, alg, bytes_of(input), 0, signature, length) != JOSE_BAD_SIGNATURE;
	ok(accepted == 0, "%s: a signature of another input is refused", name);

	accepted = 0;
	for (i = 0; i < length; i += i + 1 < length && i > 3 && i < length - 4 ? length - 4 - i : 1)
		accepted += verify_text(key, alg, input, signature, i) != JOSE_BAD_SIGNATURE;
	signature[length] = 0;
	accepted += verify_text(key, alg, input, signature, length + 1) != JOSE_BAD_SIGNATURE;
	accepted += verify_text(key, alg, input, signature, 2 * length) != JOSE_BAD_SIGNATURE;
	accepted += verify_text(key, alg, input, NULL, 0) != JOSE_BAD_SIGNATURE;
	memset(signature, 0, length);
	accepted += verify_text(key, alg, input, signature, length) != JOSE_BAD_SIGNATURE;
	memset(signature, 0xff, length);
	accepted += verify_text(key, alg, input, signature, length) != JOSE_BAD_SIGNATURE;
	ok(accepted == 0, "%s: a short, long, empty, all-zero or all-one signature is refused", name);
}

static void
test_round_trips(void)
{
	const char *input = "eyJhbGciOiJ4In0.eyJzdWIiOiIxIn0";
	int			i;

	for (i = JOSE_ALG_UNKNOWN + 1; i < JOSE_ALG_END; i++)
	{
		JoseAlg		alg = (JoseAlg) i;
		JoseKey    *key = key_for(alg);
		uint8_t		signature[2 * JOSE_MAX_SIGNATURE_LENGTH] = {0};
		size_t		length = signature_length_of(alg);

		ok(jose_sign(key, alg, bytes_of(input), strlen(input), signature, &length) == JOSE_OK &&
		   length == signature_length_of(alg),
		   "%s: a buffer of exactly the signature's size is large enough", jose_alg_name(alg));
		ok_status(verify_text(key, alg, input, signature, length), JOSE_OK,
				  "the signature of each algorithm verifies");
		tamper(key, alg, input, signature, length);
		length--;
		ok(jose_sign(key, alg, bytes_of(input), strlen(input), signature, &length) == JOSE_TOO_LARGE &&
		   length == 0, "%s: a buffer that is one byte too small is refused", jose_alg_name(alg));
		length = sizeof(signature);
		ok(jose_sign(key, alg, bytes_of(""), 0, signature, &length) == JOSE_OK &&
		   jose_verify(key, alg, bytes_of(""), 0, signature, length) == JOSE_OK,
		   "%s: an empty input can be signed and verified", jose_alg_name(alg));
		jose_key_free(key);
	}
}

/* State that one operation leaves in a key must not affect the next one. */
static void
test_one_key_for_many(void)
{
	static const JoseAlg algs[] = {
		JOSE_ALG_RS256, JOSE_ALG_PS256, JOSE_ALG_RS512, JOSE_ALG_PS384, JOSE_ALG_RS384, JOSE_ALG_PS512
	};
	enum
	{
		COUNT = sizeof(algs) / sizeof(algs[0])
	};
	JoseKey    *key = must_import(a2_private());
	uint8_t		signatures[COUNT][JOSE_MAX_SIGNATURE_LENGTH];
	int			i;
	int			j;

	for (i = 0; i < COUNT; i++)
	{
		size_t		length = JOSE_MAX_SIGNATURE_LENGTH;

		ok(jose_sign(key, algs[i], bytes_of("x"), 1, signatures[i], &length) == JOSE_OK && length == 256,
		   "one key: a key can sign with %s after another algorithm", jose_alg_name(algs[i]));
	}
	for (i = 0; i < COUNT; i++)
	{
		for (j = 0; j < COUNT; j++)
			ok_status(verify_text(key, algs[j], "x", signatures[i], 256),
					  i == j ? JOSE_OK : JOSE_BAD_SIGNATURE, "one key: a signature verifies with its own algorithm only");
		ok_status(verify_text(key, algs[i], "y", signatures[i], 256), JOSE_BAD_SIGNATURE,
				  "one key: a signature of another text is refused");
		ok_status(verify_text(key, algs[i], "x", signatures[i], 256), JOSE_OK,
				  "one key: a refused signature does not affect the next verification");
	}
	jose_key_free(key);
}

/* Enough ECDSA signatures that some have an r or s with leading zeros. */
static void
test_many_signatures(void)
{
	static const JoseAlg algs[] = {JOSE_ALG_ES256, JOSE_ALG_ES384, JOSE_ALG_ES512};
	size_t		a;

	for (a = 0; a < 3; a++)
	{
		JoseKey    *key = key_for(algs[a]);
		uint8_t		signature[132];
		int			wrong = 0;
		int			i;

		for (i = 0; i < 600; i++)
		{
			size_t		length = sizeof(signature);

			if (jose_sign(key, algs[a], (uint8_t *) &i, sizeof(i), signature, &length) != JOSE_OK ||
				jose_verify(key, algs[a], (uint8_t *) &i, sizeof(i), signature, length) != JOSE_OK)
				wrong++;
		}
		ok(wrong == 0, "%s: 600 signatures verify", jose_alg_name(algs[a]));
		jose_key_free(key);
	}
}

/*
 * Algorithm confusion
 */
static bool
is_hmac(JoseAlg alg)
{
	return jose_alg_name(alg)[0] == 'H';
}

static bool
is_rsa(JoseAlg alg)
{
	return strchr("RP", jose_alg_name(alg)[0]) != NULL;
}

static void
test_confusion_matrix(void)
{
	int			k;
	int			a;

	for (k = JOSE_ALG_UNKNOWN + 1; k < JOSE_ALG_END; k++)
	{
		JoseKey    *key = key_for((JoseAlg) k);
		int			wrong = 0;

		for (a = JOSE_ALG_UNKNOWN; a <= JOSE_ALG_END; a++)
		{
			uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH] = {0};
			size_t		length = sizeof(signature);
			bool		known = a != JOSE_ALG_UNKNOWN && a != JOSE_ALG_END;
			bool		allowed = a == k ||
				(is_hmac((JoseAlg) k) && is_hmac((JoseAlg) a)) ||
				(is_rsa((JoseAlg) k) && is_rsa((JoseAlg) a));
			JoseStatus	expected = known ? JOSE_ALG_MISMATCH : JOSE_ALG_UNSUPPORTED;

			if (jose_key_allows(key, (JoseAlg) a) != allowed)
				wrong++;
			if (allowed)
				continue;
			if (jose_verify(key, (JoseAlg) a, signature, 1, signature, 64) != expected ||
				jose_sign(key, (JoseAlg) a, signature, 1, signature, &length) != expected ||
				length != 0)
				wrong++;
		}
		ok(wrong == 0, "confusion: a key for %s works with its own algorithms only",
		   jose_alg_name((JoseAlg) k));
		ok(jose_key_is_symmetric(key) == is_hmac((JoseAlg) k) && jose_key_can_sign(key) &&
		   jose_key_allows(key, jose_key_default_alg(key)),
		   "confusion: the default algorithm of the key is one of its own");
		jose_key_free(key);
	}
}

static void
test_confusion_attacks(void)
{
	uint8_t		n[256];
	uint8_t		tag[256];
	size_t		length = sizeof(tag);
	JoseKey    *rsa = must_import(rsa_jwk(a2_n, "AQAB"));
	JoseKey    *oct;
	JoseKey    *private_rsa = must_import(a2_private());

	unb64(a2_n, n, sizeof(n));
	oct = must_import(oct_jwk(b64(0, n, sizeof(n))));
	jose_sign(oct, JOSE_ALG_HS256, bytes_of("x"), 1, tag, &length);
	ok_status(jose_verify(rsa, JOSE_ALG_HS256, bytes_of("x"), 1, tag, length), JOSE_ALG_MISMATCH,
			  "confusion: an HS256 signature with an RSA modulus as secret is refused by the RSA key");
	length = sizeof(tag);
	jose_sign(private_rsa, JOSE_ALG_RS256, bytes_of("x"), 1, tag, &length);
	ok_status(jose_verify(rsa, JOSE_ALG_RS256, bytes_of("x"), 1, tag, length), JOSE_OK,
			  "confusion: an RS256 signature verifies as RS256");
	ok_status(jose_verify(rsa, JOSE_ALG_RS384, bytes_of("x"), 1, tag, length), JOSE_BAD_SIGNATURE,
			  "confusion: an RS256 signature is refused as RS384");
	ok_status(jose_verify(rsa, JOSE_ALG_PS256, bytes_of("x"), 1, tag, length), JOSE_BAD_SIGNATURE,
			  "confusion: an RS256 signature is refused as PS256");
	length = sizeof(tag);
	ok_status(jose_sign(rsa, JOSE_ALG_RS256, bytes_of("x"), 1, tag, &length), JOSE_KEY_NOT_PRIVATE,
			  "confusion: a public key cannot sign");
	ok(!jose_key_can_sign(rsa), "confusion: jose_key_can_sign() is false for a public key");
	jose_key_free(rsa);
	jose_key_free(oct);
	jose_key_free(private_rsa);
}

/*
 * EC keys and signatures
 */
static void
test_ec_members(void)
{
	JoseJwk		jwk = ec_jwk("P-256", a3_x, a3_y, NULL);
	JoseJwk		lacking = jwk;

	ok_import(jwk, JOSE_OK, "ec: a valid key is accepted");
	lacking.x = span(NULL);
	ok_import(lacking, JOSE_KEY_INCOMPLETE, "ec: x is required");
	lacking = jwk;
	lacking.y = span(NULL);
	ok_import(lacking, JOSE_KEY_INCOMPLETE, "ec: y is required");
	lacking = jwk;
	lacking.crv = span(NULL);
	ok_import(lacking, JOSE_KEY_INCOMPLETE, "ec: crv is required");
	lacking = jwk;
	lacking.kty = span(NULL);
	ok_import(lacking, JOSE_KEY_INCOMPLETE, "key: kty is required");
	lacking.kty = span("ec");
	ok_import(lacking, JOSE_KEY_UNSUPPORTED, "key: kty is case-sensitive");
	lacking.kty = span("PBKDF2");
	ok_import(lacking, JOSE_KEY_UNSUPPORTED, "key: an unknown kty is unsupported");
	ok_import(ec_jwk("secp256k1", a3_x, a3_y, NULL), JOSE_KEY_UNSUPPORTED,
			  "ec: secp256k1 is unsupported");
	ok_import(ec_jwk("p-256", a3_x, a3_y, NULL), JOSE_KEY_UNSUPPORTED, "ec: crv is case-sensitive");
	ok_import(ec_jwk("prime256v1", a3_x, a3_y, NULL), JOSE_KEY_UNSUPPORTED,
			  "ec: OpenSSL's name of a curve is unsupported as crv");
	ok_import(ec_jwk("P-192", a3_x, a3_y, NULL), JOSE_KEY_UNSUPPORTED, "ec: P-192 is unsupported");
	ok_import(ec_jwk("P-384", a3_x, a3_y, NULL), JOSE_KEY_MALFORMED,
			  "ec: a point of P-256 is malformed as a point of P-384");
	ok_import(ec_jwk("P-256", cook_ec_x, cook_ec_y, NULL), JOSE_KEY_MALFORMED,
			  "ec: a point of P-521 is malformed as a point of P-256");
	ok_import(ec_jwk("P-256", "", a3_y, NULL), JOSE_KEY_MALFORMED, "ec: an empty x is malformed");
	ok_import(ec_jwk("P-256", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVE=", a3_y, NULL),
			  JOSE_KEY_MALFORMED, "ec: a padded x is malformed");
}

static void
test_ec_points(void)
{
	uint8_t		x[68] = {0};
	uint8_t		y[68] = {0};

	unb64(a3_x, x + 1, 32);
	unb64(a3_y, y, 32);
	ok_import(ec_jwk("P-256", b64(0, x, 33), a3_y, NULL), JOSE_KEY_MALFORMED,
			  "ec: a leading zero before a full x is malformed");
	ok_import(ec_jwk("P-256", b64(0, x + 1, 31), a3_y, NULL), JOSE_KEY_MALFORMED,
			  "ec: a short x is malformed");
	ok_import(ec_jwk("P-384", b64(0, x, 48), b64(1, y, 48), NULL), JOSE_KEY_OFF_CURVE,
			  "ec: a point of P-256 widened to P-384 is off the curve");
	y[31] ^= 1;
	ok_import(ec_jwk("P-256", a3_x, b64(1, y, 32), NULL), JOSE_KEY_OFF_CURVE,
			  "ec: a changed y is off the curve");
	ok_import(ec_jwk("P-256", a3_y, a3_x, NULL), JOSE_KEY_OFF_CURVE,
			  "ec: x and y exchanged are off the curve");
	memset(x, 0, sizeof(x));
	ok_import(ec_jwk("P-256", b64(0, x, 32), b64(1, x, 32), NULL), JOSE_KEY_OFF_CURVE,
			  "ec: x = 0 and y = 0 are off the curve");
	memset(x, 0xff, sizeof(x));
	ok_import(ec_jwk("P-256", b64(0, x, 32), a3_y, NULL), JOSE_KEY_OFF_CURVE,
			  "ec: a coordinate not below the field prime is refused");

	/* x = p + 5 must be refused, although x = 5 is on the curve and equal modulo p. */
	unhex("0000000000000000000000000000000000000000000000000000000000000005", x);
	unhex("459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc", y);
	ok_import(ec_jwk("P-256", b64(0, x, 32), b64(1, y, 32), NULL), JOSE_OK,
			  "ec: the point with x = 5 is accepted");
	unhex("ffffffff00000001000000000000000000000001000000000000000000000004", x);
	ok_import(ec_jwk("P-256", b64(0, x, 32), b64(1, y, 32), NULL), JOSE_KEY_OFF_CURVE,
			  "ec: the point with x = p + 5 is refused");

	/* The first byte of this x is zero, so both widths encode the same number. */
	unb64(cook_ec_x, x, sizeof(x));
	ok_import(ec_jwk("P-521", b64(0, x + 1, 65), cook_ec_y, NULL), JOSE_KEY_MALFORMED,
			  "ec: x of P-521 without its leading zero is malformed");
	ok_import(ec_jwk("P-521", cook_ec_x, cook_ec_y, cook_ec_d), JOSE_OK,
			  "ec: x of P-521 with its leading zero is accepted");
}

static void
test_ec_private(void)
{
	uint8_t		d[33] = {0};

	unb64(a3_d, d + 1, 32);
	ok_import(ec_jwk("P-256", a3_x, a3_y, a3_d), JOSE_OK, "ec: a valid private key is accepted");
	ok_import(ec_jwk("P-256", a3_x, a3_y, b64(0, d, 33)), JOSE_KEY_MALFORMED,
			  "ec: a d too wide is malformed");
	ok_import(ec_jwk("P-256", a3_x, a3_y, b64(0, d + 1, 31)), JOSE_KEY_MALFORMED,
			  "ec: a d too narrow is malformed");
	ok_import(ec_jwk("P-256", a3_x, a3_y, ""), JOSE_KEY_MALFORMED, "ec: an empty d is malformed");
	d[32] ^= 1;
	ok_import(ec_jwk("P-256", a3_x, a3_y, b64(0, d + 1, 32)), JOSE_KEY_MISMATCH,
			  "ec: another key's d is a mismatch");
	memset(d, 0, sizeof(d));
	ok_import(ec_jwk("P-256", a3_x, a3_y, b64(0, d, 32)), JOSE_KEY_MALFORMED,
			  "ec: d of zero is malformed");
	unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", d);
	ok_import(ec_jwk("P-256", a3_x, a3_y, b64(0, d, 32)), JOSE_KEY_MALFORMED,
			  "ec: d equal to the order is malformed");
	memset(d, 0xff, sizeof(d));
	ok_import(ec_jwk("P-256", a3_x, a3_y, b64(0, d, 32)), JOSE_KEY_MALFORMED,
			  "ec: d above the order is malformed");
	ok_import(ec_jwk("P-256", a3_x, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1", a3_d),
			  JOSE_KEY_MALFORMED, "ec: non-canonical base64url in y is malformed");
}

static void
test_ec_signatures(void)
{
	static const char order[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
	const char *dot = strrchr(a3_token, '.');
	JoseKey    *key = must_import(ec_jwk("P-256", a3_x, a3_y, NULL));
	uint8_t		good[64];
	uint8_t		bad[72];
	char		input[256] = {0};
	uint8_t		n[32];
	int			i;

	memcpy(input, a3_token, (size_t) (dot - a3_token));
	unb64(dot + 1, good, sizeof(good));
	unhex(order, n);
	for (i = 0; i < 6; i++)
	{
		static const char *const what[] = {
			"es256: r = 0 is refused", "es256: s = 0 is refused",
			"es256: r = n is refused", "es256: s = n is refused",
			"es256: r = 1 is refused", "es256: s = 1 is refused"
		};
		uint8_t    *half = bad + 32 * (i % 2);

		memcpy(bad, good, sizeof(good));
		memset(half, 0, 32);
		if (i / 2 == 1)
			memcpy(half, n, 32);
		else if (i / 2 == 2)
			half[31] = 1;
		ok_status(verify_text(key, JOSE_ALG_ES256, input, bad, 64), JOSE_BAD_SIGNATURE, what[i]);
	}
	memcpy(bad, good + 32, 32);
	memcpy(bad + 32, good, 32);
	ok_status(verify_text(key, JOSE_ALG_ES256, input, bad, 64), JOSE_BAD_SIGNATURE,
			  "es256: r and s exchanged are refused");

	/* The DER form of the same signature.  Only s has its top bit set and needs a leading zero. */
	memcpy(bad, "\x30\x45\x02\x20", 4);
	memcpy(bad + 4, good, 32);
	memcpy(bad + 36, "\x02\x21\x00", 3);
	memcpy(bad + 39, good + 32, 32);
	ok_status(verify_text(key, JOSE_ALG_ES256, input, bad, 71), JOSE_BAD_SIGNATURE,
			  "es256: the DER form of a valid signature is refused");
	ok_status(verify_text(key, JOSE_ALG_ES256, input, good, 64), JOSE_OK,
			  "es256: the JOSE form of the same signature is accepted");
	jose_key_free(key);
}

/*
 * RSA keys and signatures
 */
static void
test_rsa_public(void)
{
	uint8_t		n[1 + JOSE_RSA_MAX_BITS / 8 + 1];
	uint8_t		e[9];
	size_t		i;
	static const struct
	{
		const char *e;
		JoseStatus	status;
		const char *behaviour;
	}			exponents[] = {
		{"AQ", JOSE_KEY_WEAK, "rsa: e = 1 is weak"},
		{"Ag", JOSE_KEY_WEAK, "rsa: e = 2 is weak"},
		{"AQAA", JOSE_KEY_WEAK, "rsa: an even e is weak"},
		{"Aw", JOSE_OK, "rsa: e = 3 is accepted"},
		{"_________38", JOSE_OK, "rsa: e of 64 bits is accepted"},
		{"AA", JOSE_KEY_MALFORMED, "rsa: e = 0 is malformed"},
		{"", JOSE_KEY_MALFORMED, "rsa: an empty e is malformed"},
		{"AAEAAQ", JOSE_KEY_MALFORMED, "rsa: a leading zero in e is malformed"},
		{"AQAB=", JOSE_KEY_MALFORMED, "rsa: a padded e is malformed"},
		{NULL, JOSE_KEY_INCOMPLETE, "rsa: e is required"}
	};

	for (i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++)
		ok_import(rsa_jwk(a2_n, exponents[i].e), exponents[i].status, exponents[i].behaviour);
	memset(e, 0xff, sizeof(e));
	ok_import(rsa_jwk(a2_n, b64(0, e, 9)), JOSE_KEY_WEAK, "rsa: e of 72 bits is weak");
	ok_import(rsa_jwk(a2_n, a2_n), JOSE_KEY_WEAK, "rsa: e = n is weak");
	ok_import(rsa_jwk(NULL, "AQAB"), JOSE_KEY_INCOMPLETE, "rsa: n is required");
	ok_import(rsa_jwk("", "AQAB"), JOSE_KEY_MALFORMED, "rsa: an empty n is malformed");

	n[0] = 0;
	unb64(a2_n, n + 1, 256);
	ok_import(rsa_jwk(b64(0, n, 257), "AQAB"), JOSE_KEY_MALFORMED,
			  "rsa: a leading zero in n is malformed");
	n[128] |= 1;
	ok_import(rsa_jwk(b64(0, n + 1, 128), "AQAB"), JOSE_KEY_WEAK, "rsa: 1024 bits are weak");
	n[256] |= 1;
	n[1] = 0x7f;
	ok_import(rsa_jwk(b64(0, n + 1, 256), "AQAB"), JOSE_KEY_WEAK, "rsa: 2047 bits are weak");
	n[1] = 0x80;
	n[256] &= 0xfe;
	ok_import(rsa_jwk(b64(0, n + 1, 256), "AQAB"), JOSE_KEY_WEAK, "rsa: an even n is weak");
	memset(n, 0xff, sizeof(n));
	ok_import(rsa_jwk(b64(0, n, JOSE_RSA_MAX_BITS / 8), "AQAB"), JOSE_OK, "rsa: 8192 bits are accepted");
	ok_import(rsa_jwk(b64(0, n, JOSE_RSA_MAX_BITS / 8 + 1), "AQAB"), JOSE_KEY_WEAK,
			  "rsa: 8200 bits are refused");
}

static void
test_rsa_largest(void)
{
	uint8_t		n[JOSE_RSA_MAX_BITS / 8];
	char		jwk[JOSE_MAX_PUBLIC_JWK_LENGTH];
	size_t		length = sizeof(jwk);
	uint8_t		thumbprint[JOSE_THUMBPRINT_LENGTH];
	JoseKey    *key;

	memset(n, 0xff, sizeof(n));
	key = must_import(rsa_jwk(b64(0, n, sizeof(n)), "_________38"));
	ok(jose_key_public_jwk(key, jwk, &length) == JOSE_OK &&
	   jose_key_thumbprint(key, thumbprint) == JOSE_OK,
	   "rsa: the largest public key fits JOSE_MAX_PUBLIC_JWK_LENGTH");
	ok_status(jose_verify(key, JOSE_ALG_RS256, n, 10, n, sizeof(n)), JOSE_BAD_SIGNATURE,
			  "rsa: a signature equal to the largest modulus is refused");
	jose_key_free(key);
}

static void
test_rsa_private(void)
{
	static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi"};
	JoseJwk		jwk;
	JoseJwk		other = cook_rsa_private();
	Span   *members[] = {&jwk.d, &jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi};
	Span   *others[] = {&other.d, &other.p, &other.q, &other.dp, &other.dq, &other.qi};
	Span	p;
	char		behaviour[64];
	size_t		i;

	ok_import(a2_private(), JOSE_OK, "rsa: a valid private key is accepted");
	for (i = 0; i < 6; i++)
	{
		jwk = a2_private();
		*members[i] = span(NULL);
		snprintf(behaviour, sizeof(behaviour), "rsa: a private key without %s is incomplete", names[i]);
		ok_import(jwk, JOSE_KEY_INCOMPLETE, behaviour);
		*members[i] = *others[i];
		snprintf(behaviour, sizeof(behaviour), "rsa: another key's %s is a mismatch", names[i]);
		ok_import(jwk, JOSE_KEY_MISMATCH, behaviour);
		*members[i] = span("AQ");
		snprintf(behaviour, sizeof(behaviour), "rsa: %s = 1 is a mismatch", names[i]);
		ok_import(jwk, JOSE_KEY_MISMATCH, behaviour);
		*members[i] = span("AAEB");
		snprintf(behaviour, sizeof(behaviour), "rsa: a leading zero in %s is malformed", names[i]);
		ok_import(jwk, JOSE_KEY_MALFORMED, behaviour);
	}
	jwk = rsa_jwk(a2_n, "AQAB");
	jwk.d = span(a2_d);
	ok_import(jwk, JOSE_KEY_INCOMPLETE, "rsa: d alone is incomplete");
	jwk = a2_private();
	p = jwk.p;
	jwk.p = jwk.q;
	jwk.q = p;
	ok_import(jwk, JOSE_KEY_MISMATCH, "rsa: p and q exchanged are a mismatch");
	jwk = a2_private();
	jwk.p = span(a2_n);
	jwk.q = span("AQ");
	ok_import(jwk, JOSE_KEY_MISMATCH, "rsa: the factors n and 1 are a mismatch");
	jwk = a2_private();
	jwk.n = span(cook_rsa_n);
	ok_import(jwk, JOSE_KEY_MISMATCH, "rsa: another key's n is a mismatch");
	jwk = a2_private();
	jwk.e = span("Aw");
	ok_import(jwk, JOSE_KEY_MISMATCH, "rsa: another e is a mismatch");
}

static BIGNUM *
number_of(const char *text)
{
	uint8_t		bytes[512];
	size_t		length = unb64(text, bytes, sizeof(bytes));

	return BN_bin2bn(bytes, (int) length, NULL);
}

static Span
span_of(int slot, const BIGNUM *number)
{
	uint8_t		bytes[1024];
	int			length = BN_bn2bin(number, bytes);

	return span(b64(slot, bytes, (size_t) length));
}

/* Members that satisfy the equations, but are not reduced modulo p or the order. */
static void
test_rsa_unreduced(void)
{
	JoseJwk		jwk = a2_private();
	BIGNUM	   *p = number_of(a2_p);
	BIGNUM	   *q = number_of(a2_q);
	BIGNUM	   *sum = number_of(a2_qi);
	BIGNUM	   *order = BN_new();
	BN_CTX	   *context = BN_CTX_new();

	BN_add(sum, sum, p);
	jwk.qi = span_of(0, sum);
	ok_import(jwk, JOSE_KEY_MISMATCH, "rsa: qi not reduced modulo p is a mismatch");

	jwk = a2_private();
	BN_sub_word(p, 1);
	BN_sub_word(q, 1);
	BN_mul(order, p, q, context);
	BN_free(sum);
	sum = number_of(a2_d);
	BN_add(sum, sum, order);
	BN_add(sum, sum, order);
	jwk.d = span_of(0, sum);
	ok_import(jwk, JOSE_KEY_MISMATCH, "rsa: d above n is a mismatch");

	BN_free(p);
	BN_free(q);
	BN_free(sum);
	BN_free(order);
	BN_CTX_free(context);
}

/* With the n of another key as p, all equations hold.  Only using the key shows that it is invalid. */
static void
test_rsa_composite(void)
{
	JoseJwk		jwk = rsa_jwk(NULL, "AQAB");
	BN_CTX	   *context = BN_CTX_new();
	BIGNUM	   *p = number_of(cook_rsa_n);
	BIGNUM	   *q = number_of(a2_q);
	BIGNUM	   *e = number_of("AQAB");
	BIGNUM	   *number = BN_new();
	BIGNUM	   *order = BN_new();
	BIGNUM	   *divisor = BN_new();

	BN_mul(number, p, q, context);
	jwk.n = span_of(0, number);
	jwk.p = span_of(1, p);
	jwk.q = span_of(2, q);
	BN_mod_inverse(number, q, p, context);
	jwk.qi = span_of(3, number);
	BN_sub_word(p, 1);
	BN_sub_word(q, 1);
	BN_mod_inverse(number, e, p, context);
	jwk.dp = span_of(4, number);
	BN_mod_inverse(number, e, q, context);
	jwk.dq = span_of(5, number);
	BN_gcd(divisor, p, q, context);
	BN_mul(order, p, q, context);
	BN_div(order, NULL, order, divisor, context);
	ok(BN_mod_inverse(number, e, order, context) != NULL, "rsa: the test makes a key with a composite p");
	jwk.d = span_of(6, number);
	ok_import(jwk, JOSE_KEY_MISMATCH, "rsa: a key with a composite p is a mismatch");

	BN_free(p);
	BN_free(q);
	BN_free(e);
	BN_free(number);
	BN_free(order);
	BN_free(divisor);
	BN_CTX_free(context);
}

static void
test_rsa_signatures(void)
{
	JoseKey    *key = must_import(a2_private());
	uint8_t		n[256];
	uint8_t		signature[256] = {0};

	unb64(a2_n, n, sizeof(n));
	ok_status(verify_text(key, JOSE_ALG_RS256, "x", n, 256), JOSE_BAD_SIGNATURE,
			  "rsa: a signature equal to n is refused");
	n[255] -= 1;
	ok_status(verify_text(key, JOSE_ALG_RS256, "x", n, 256), JOSE_BAD_SIGNATURE,
			  "rsa: a signature of n - 1 is refused");
	signature[255] = 1;
	ok_status(verify_text(key, JOSE_ALG_RS256, "x", signature, 256), JOSE_BAD_SIGNATURE,
			  "rsa: a signature of 1 is refused");
	ok_status(verify_text(key, JOSE_ALG_PS256, "x", signature, 256), JOSE_BAD_SIGNATURE,
			  "rsa: a signature of 1 is refused with PSS");
	jose_key_free(key);
}

/*
 * A signature has as many octets as the modulus (RFC 8017, 8.1.2).  Without a
 * leading zero octet it would be the same number, but must be refused.
 */
static void
test_rsa_leading_zero(void)
{
	static const JoseAlg algs[] = {JOSE_ALG_RS256, JOSE_ALG_PS256};
	JoseKey    *key = must_import(a2_private());
	size_t		i;

	for (i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
	{
		uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH] = {1};
		size_t		length = 0;
		char		text[16];
		unsigned	tries;

		for (tries = 0; signature[0] != 0 && tries < 100000; tries++)
		{
			length = sizeof(signature);
			snprintf(text, sizeof(text), "%u", tries);
			if (jose_sign(key, algs[i], bytes_of(text), strlen(text), signature, &length) != JOSE_OK)
				break;
		}
		ok(signature[0] == 0 && length == 256, "rsa: the test makes a signature with a leading zero octet");
		ok_status(verify_text(key, algs[i], text, signature, 256), JOSE_OK, "rsa: a signature with a leading zero octet verifies");
		ok_status(verify_text(key, algs[i], text, signature + 1, 255), JOSE_BAD_SIGNATURE,
				  "rsa: a signature without its leading zero octet is refused");
	}
	jose_key_free(key);
}

/* Makes a PSS signature with OpenSSL, with parameters that JOSE does not allow. */
static size_t
foreign_pss(EVP_PKEY *pkey, int salt_length, const char *mgf1, uint8_t *signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters;
	size_t		length = JOSE_MAX_SIGNATURE_LENGTH;
	bool		done;

	done = EVP_DigestSignInit_ex(context, &parameters, "SHA256", NULL, NULL, pkey, NULL) > 0 &&
		EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) > 0 &&
		EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, salt_length) > 0 &&
		EVP_PKEY_CTX_set_rsa_mgf1_md_name(parameters, mgf1, NULL) > 0 &&
		EVP_DigestSign(context, signature, &length, bytes_of("x"), 1) > 0;
	EVP_MD_CTX_free(context);
	return done ? length : 0;
}

static void
test_pss_parameters(void)
{
	static const struct
	{
		int			salt_length;
		const char *mgf1;
		JoseStatus	status;
		const char *behaviour;
	}			cases[] = {
		{32, "SHA256", JOSE_OK, "ps256: a salt as long as the hash is accepted"},
		{0, "SHA256", JOSE_BAD_SIGNATURE, "ps256: no salt is refused"},
		{20, "SHA256", JOSE_BAD_SIGNATURE, "ps256: a shorter salt is refused"},
		{33, "SHA256", JOSE_BAD_SIGNATURE, "ps256: a longer salt is refused"},
		{RSA_PSS_SALTLEN_MAX, "SHA256", JOSE_BAD_SIGNATURE, "ps256: the longest salt is refused"},
		{32, "SHA1", JOSE_BAD_SIGNATURE, "ps256: MGF1 with SHA-1 is refused"},
		{32, "SHA512", JOSE_BAD_SIGNATURE, "ps256: MGF1 with SHA-512 is refused"}
	};
	uint8_t		der[JOSE_MAX_PRIVATE_LENGTH];
	size_t		length = sizeof(der);
	const unsigned char *next = der;
	JoseKey    *key = must_import(a2_private());
	EVP_PKEY   *pkey;
	size_t		i;

	jose_key_export_private(key, der, &length);
	pkey = d2i_AutoPrivateKey(NULL, &next, (long) length);
	ERR_clear_error();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
		size_t		made = foreign_pss(pkey, cases[i].salt_length, cases[i].mgf1, signature);

		ok_status(made == 0 ? JOSE_FAILURE : verify_text(key, JOSE_ALG_PS256, "x", signature, made),
				  cases[i].status, cases[i].behaviour);
	}
	EVP_PKEY_free(pkey);
	jose_key_free(key);
}

/*
 * Ed25519 keys and signatures
 */
static void
test_ed25519_members(void)
{
	JoseJwk		jwk = okp_jwk(ed_x, ed_d);
	uint8_t		x[33] = {0};

	ok_import(jwk, JOSE_OK, "ed25519: a valid private key is accepted");
	jwk.x = span(NULL);
	ok_import(jwk, JOSE_KEY_INCOMPLETE, "ed25519: x is required with d too");
	jwk = okp_jwk(ed_x, NULL);
	jwk.crv = span(NULL);
	ok_import(jwk, JOSE_KEY_INCOMPLETE, "ed25519: crv is required");
	jwk.crv = span("X25519");
	ok_import(jwk, JOSE_KEY_UNSUPPORTED, "okp: X25519 is unsupported");
	jwk.crv = span("Ed448");
	ok_import(jwk, JOSE_KEY_UNSUPPORTED, "okp: Ed448 is unsupported");
	jwk.crv = span("ed25519");
	ok_import(jwk, JOSE_KEY_UNSUPPORTED, "okp: crv is case-sensitive");
	jwk.kty = span("EC");
	jwk.crv = span("Ed25519");
	ok_import(jwk, JOSE_KEY_UNSUPPORTED, "okp: Ed25519 is unsupported with kty EC");

	unb64(ed_x, x, 32);
	ok_import(okp_jwk(b64(0, x, 31), NULL), JOSE_KEY_MALFORMED, "ed25519: 31 bytes are malformed");
	ok_import(okp_jwk(b64(0, x, 33), NULL), JOSE_KEY_MALFORMED, "ed25519: 33 bytes are malformed");
	ok_import(okp_jwk("", NULL), JOSE_KEY_MALFORMED, "ed25519: an empty x is malformed");
	ok_import(okp_jwk(ed_x, b64(0, x, 31)), JOSE_KEY_MALFORMED, "ed25519: a short d is malformed");
	ok_import(okp_jwk(ed_x, b64(0, x, 32)), JOSE_KEY_MISMATCH, "ed25519: another d is a mismatch");
}

static void
test_ed25519_points(void)
{
	static const char *const refused[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		/* The remaining ones are not of small order, but not canonical or not on the curve. */
		"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0200000000000000000000000000000000000000000000000000000000000000"
	};
	uint8_t		point[32];
	uint8_t		torsion[32];
	uint8_t		mixed[32];
	char		behaviour[128];
	size_t		i;

	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		unhex(refused[i], point);
		snprintf(behaviour, sizeof(behaviour), "ed25519: %.8s...%s is refused",
				 refused[i], refused[i] + 60);
		ok_import(okp_jwk(b64(0, point, 32), NULL), JOSE_KEY_WEAK, behaviour);
	}
	unb64(ed_x, point, 32);
	unhex(refused[4], torsion);
	ok(crypto_core_ed25519_add(mixed, point, torsion) == 0, "ed25519: the test makes a point of mixed order");
	ok_import(okp_jwk(b64(0, mixed, 32), NULL), JOSE_KEY_WEAK, "ed25519: a point of mixed order is refused");
}

static void
test_ed25519_signatures(void)
{
	static const uint8_t order[32] = {
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
		0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10
	};
	const char *dot = strrchr(ed_token, '.');
	char		input[128] = {0};
	uint8_t		signature[64];
	uint8_t		changed[64];
	JoseKey    *key = must_import(okp_jwk(ed_x, NULL));
	unsigned int carry = 0;
	int			i;

	memcpy(input, ed_token, (size_t) (dot - ed_token));
	unb64(dot + 1, signature, 64);
	memcpy(changed, signature, 64);
	for (i = 0; i < 32; i++)
	{
		carry += (unsigned int) signature[32 + i] + order[i];
		changed[32 + i] = (uint8_t) carry;
		carry >>= 8;
	}
	ok_status(verify_text(key, JOSE_ALG_EDDSA, input, changed, 64), JOSE_BAD_SIGNATURE,
			  "ed25519: S plus the order is refused");
	memset(changed, 0, 64);
	changed[0] = 1;
	ok_status(verify_text(key, JOSE_ALG_EDDSA, input, changed, 64), JOSE_BAD_SIGNATURE,
			  "ed25519: the identity as R with S = 0 is refused");
	jose_key_free(key);
}

/*
 * Symmetric keys
 */
static void
test_oct(void)
{
	uint8_t		secret[1025];
	JoseKey    *key;
	int			length;

	memset(secret, 7, sizeof(secret));
	ok_import(oct_jwk(NULL), JOSE_KEY_INCOMPLETE, "oct: k is required");
	ok_import(oct_jwk(""), JOSE_KEY_WEAK, "oct: an empty k is weak");
	ok_import(oct_jwk("secret"), JOSE_KEY_MALFORMED, "oct: a k that is not base64url is malformed");
	ok_import(oct_jwk(b64(0, secret, 31)), JOSE_KEY_WEAK, "oct: 31 bytes are weak");
	ok_import(oct_jwk(b64(0, secret, 1024)), JOSE_OK, "oct: 1024 bytes are accepted");
	ok_import(oct_jwk(b64(0, secret, 1025)), JOSE_KEY_MALFORMED, "oct: 1025 bytes are malformed");
	for (length = 32; length <= 64; length += 8)
	{
		uint8_t		tag[64];
		size_t		size = sizeof(tag);

		key = must_import(oct_jwk(b64(0, secret, (size_t) length)));
		ok(jose_key_allows(key, JOSE_ALG_HS256) &&
		   jose_key_allows(key, JOSE_ALG_HS384) == (length >= 48) &&
		   jose_key_allows(key, JOSE_ALG_HS512) == (length >= 64) &&
		   jose_sign(key, JOSE_ALG_HS512, secret, 1, tag, &size) ==
		   (length >= 64 ? JOSE_OK : JOSE_ALG_MISMATCH),
		   "oct: a key of %d bytes works with hashes of at most that length", length);
		jose_key_free(key);
	}
}

/*
 * Export and import of the private part
 */

/* Parses the output of jose_key_public_jwk(). */
static JoseJwk
parse_jwk(const char *text)
{
	JoseJwk		jwk = {0};
	const struct
	{
		const char *name;
		Span   *member;
	}			members[] = {
		{"\"kty\":\"", &jwk.kty}, {"\"crv\":\"", &jwk.crv}, {"\"x\":\"", &jwk.x},
		{"\"y\":\"", &jwk.y}, {"\"n\":\"", &jwk.n}, {"\"e\":\"", &jwk.e}, {"\"k\":\"", &jwk.k}
	};
	size_t		i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
	{
		const char *found = strstr(text, members[i].name);

		if (found == NULL)
			continue;
		members[i].member->data = found + strlen(members[i].name);
		members[i].member->length = strcspn(members[i].member->data, "\"");
	}
	return jwk;
}

static void
export_and_import(JoseAlg alg)
{
	const char *name = jose_alg_name(alg);
	JoseKey    *key = NULL;
	JoseKey    *again = NULL;
	JoseKey    *public_key = NULL;
	char		text[JOSE_MAX_PUBLIC_JWK_LENGTH + 1] = {0};
	size_t		text_length = sizeof(text) - 1;
	uint8_t		private_part[JOSE_MAX_PRIVATE_LENGTH + 1];
	size_t		length = JOSE_MAX_PRIVATE_LENGTH;
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		signature_length = sizeof(signature);
	JoseJwk		jwk;

	ok(jose_key_generate(alg, &key) == JOSE_OK && jose_key_can_sign(key) &&
	   jose_key_allows(key, alg), "%s: a key can be generated", name);
	ok(jose_key_public_jwk(key, text, &text_length) == JOSE_OK &&
	   jose_key_export_private(key, private_part, &length) == JOSE_OK,
	   "%s: the key can be exported in %zu bytes", name, length);
	jwk = parse_jwk(text);
	ok(jose_key_import_private(&jwk, private_part, length, &again) == JOSE_OK,
	   "%s: the exported key can be imported", name);
	ok(jose_key_import(&jwk, &public_key) == JOSE_OK &&
	   jose_sign(again, alg, bytes_of("x"), 1, signature, &signature_length) == JOSE_OK &&
	   jose_verify(public_key, alg, bytes_of("x"), 1, signature, signature_length) == JOSE_OK,
	   "%s: the public key verifies a signature of the imported key", name);
	jose_key_free(again);

	signature_length = length - 1;
	ok(jose_key_export_private(key, signature, &signature_length) == JOSE_TOO_LARGE &&
	   signature_length == 0, "%s: an export to a short buffer is refused", name);
	private_part[length] = 0;
	ok(jose_key_import_private(&jwk, private_part, length + 1, &again) != JOSE_OK && again == NULL &&
	   jose_key_import_private(&jwk, private_part, length - 1, &again) != JOSE_OK && again == NULL &&
	   jose_key_import_private(&jwk, private_part, 0, &again) != JOSE_OK && again == NULL,
	   "%s: a longer, shorter or empty private part is refused", name);
	private_part[length - 1] ^= 1;
	ok(jose_key_import_private(&jwk, private_part, length, &again) == JOSE_KEY_MISMATCH &&
	   again == NULL, "%s: a changed private part is a mismatch", name);
	jose_key_free(public_key);
	jose_key_free(key);
}

static void
test_export(void)
{
	static const uint8_t head[] = {0x30, 0x82, 0x04, 0, 2, 1, 0, 2, 0x82, 1, 1, 0};
	JoseKey    *key = must_import(a2_private());
	JoseKey    *again;
	uint8_t		der[JOSE_MAX_PRIVATE_LENGTH];
	size_t		length = sizeof(der);
	JoseJwk		other = rsa_jwk(cook_rsa_n, "AQAB");
	JoseJwk		bare_oct = oct_jwk(NULL);
	JoseJwk		bare_rsa = rsa_jwk(NULL, NULL);

	ok(jose_key_export_private(key, der, &length) == JOSE_OK &&
	   memcmp(der, head, 3) == 0 && memcmp(der + 4, head + 4, sizeof(head) - 4) == 0,
	   "export: an RSA key is exported as PKCS#1, not PKCS#8");
	ok(jose_key_import_private(&other, der, length, &again) == JOSE_KEY_MISMATCH,
	   "export: a private part with another public key is a mismatch");
	ok(jose_key_import_private(&bare_rsa, der, length, &again) == JOSE_KEY_INCOMPLETE,
	   "export: an RSA private part without n and e is incomplete");
	ok(jose_key_import_private(&bare_oct, der, 64, &again) == JOSE_OK,
	   "export: the private part of a symmetric key needs only kty in the JWK");
	jose_key_free(again);
	ok(jose_key_import_private(&bare_oct, der, 1025, &again) == JOSE_KEY_MALFORMED,
	   "export: a symmetric key of 1025 bytes is malformed");
	jose_key_free(key);

	key = must_import(rsa_jwk(a2_n, "AQAB"));
	length = sizeof(der);
	ok(jose_key_export_private(key, der, &length) == JOSE_KEY_NOT_PRIVATE && length == 0,
	   "export: a public key cannot be exported as private");
	jose_key_free(key);
	ok(jose_key_generate(JOSE_ALG_UNKNOWN, &key) == JOSE_ALG_UNSUPPORTED && key == NULL,
	   "generate: an unknown algorithm is unsupported");
	jose_key_free(NULL);
	ok(true, "free: NULL is accepted");
}

/* Tries many prefixes and mutations of an RSA private key.  Sanitizers detect crashes and leaks. */
static void
test_der_mutations(void)
{
	JoseKey    *key = must_import(a2_private());
	JoseJwk		jwk = rsa_jwk(a2_n, "AQAB");
	uint8_t		der[JOSE_MAX_PRIVATE_LENGTH];
	size_t		length = sizeof(der);
	size_t		i;
	int			accepted = 0;

	jose_key_export_private(key, der, &length);
	jose_key_free(key);
	for (i = 0; i < length; i += 5)
	{
		uint8_t    *copy = malloc(length);

		memcpy(copy, der, length);
		accepted += jose_key_import_private(&jwk, copy, i, &key) == JOSE_OK;
		copy[i] ^= 0x81;
		accepted += jose_key_import_private(&jwk, copy, length, &key) == JOSE_OK;
		free(copy);
	}
	ok(accepted == 0, "der: no prefix and no mutation of an RSA private key is accepted");
}

int
main(void)
{
	static const JoseAlg exported[] = {
		JOSE_ALG_HS256, JOSE_ALG_HS384, JOSE_ALG_HS512, JOSE_ALG_PS256,
		JOSE_ALG_ES256, JOSE_ALG_ES384, JOSE_ALG_ES512, JOSE_ALG_EDDSA
	};
	size_t		i;

	if (sodium_init() < 0)
		return 1;
	test_base64url_vectors();
	test_base64url_hostile();
	test_base64url_exhaustive();
	test_base64url_sizes();
	test_split();
	test_split_limits();
	test_alg_names();
	test_alg_uses();
	test_status_messages();
	test_vectors();
	test_hmac_vectors();
	test_thumbprints();
	test_round_trips();
	test_one_key_for_many();
	test_many_signatures();
	test_confusion_matrix();
	test_confusion_attacks();
	test_ec_members();
	test_ec_points();
	test_ec_private();
	test_ec_signatures();
	test_rsa_public();
	test_rsa_largest();
	test_rsa_private();
	test_rsa_unreduced();
	test_rsa_composite();
	test_rsa_signatures();
	test_rsa_leading_zero();
	test_pss_parameters();
	test_ed25519_members();
	test_ed25519_points();
	test_ed25519_signatures();
	test_oct();
	for (i = 0; i < sizeof(exported) / sizeof(exported[0]); i++)
		export_and_import(exported[i]);
	test_export();
	test_der_mutations();

	printf("1..%d\n", test_count);
	return failure_count == 0 ? 0 : 1;
}
