"""Each rewrite on a small kernel: its result, and the code that it leaves alone."""

import pytest
from rewrite_cases import applied, changes, kernel, rewritten, text

from metalsci.optimizer.change import Rewrite
from metalsci.optimizer.transforms.algebra import ContractToFma, FactorOut, PairwiseSum
from metalsci.optimizer.transforms.bold import DropBarrier, DropGuard, HalfTemporaries
from metalsci.optimizer.transforms.common import CommonParts, CommonSubexpressions
from metalsci.optimizer.transforms.copies import PropagateCopies, RemoveUnused
from metalsci.optimizer.transforms.guards import EarlyReturn, GuardedBody, ReturnToElse, SelectStore
from metalsci.optimizer.transforms.integers import SignedIndices, UnsignedDivision
from metalsci.optimizer.transforms.interior import JoinInterior, SplitInterior
from metalsci.optimizer.transforms.intrinsics import CheaperCalls
from metalsci.optimizer.transforms.invariants import LoopInvariants
from metalsci.optimizer.transforms.kernels import LocalCopies, ThreadgroupCap
from metalsci.optimizer.transforms.reciprocals import ReciprocalOnce
from metalsci.optimizer.transforms.remainders import (
    PowerOfTwo,
    QuotientByReciprocal,
    RemainderFromQuotient,
    WrapByComparison,
)
from metalsci.optimizer.transforms.scalars import MergeAccumulation, ScalarReplacement
from metalsci.optimizer.transforms.simplification import Simplify
from metalsci.optimizer.transforms.tables import FoldTables
from metalsci.optimizer.transforms.unrolling import UnrollByFactor, UnrollLoop, UnrollPragma

TABLE = "constant int CX[3] = {0, 1, -1};\nconstant float W[3] = {0.5f, 1.0f / 4.0f, 0.25f};\n"
POSITION = "const int n = int(N);\nconst int i = int(gid.x);\n"


def becomes(before: str, after: str, *rewrites: Rewrite, head: str = "") -> None:
    assert rewritten(before, *rewrites, head=head) == text(after)


def is_left_alone(before: str, rewrite: Rewrite, head: str = "") -> None:
    assert changes(rewrite, kernel(before, head)) == []


class TestUnrollLoop:
    def test_writes_out_the_rounds_with_names_of_their_own(self) -> None:
        becomes(
            """
            for (int k = 0; k < 3; ++k) {
                const int s = int(gid.x) + CX[k];
                out[k] = a[s];
            }
            """,
            """
            // k = 0, ..., 2
            const int s0 = int(gid.x) + CX[0];
            out[0] = a[s0];
            const int s1 = int(gid.x) + CX[1];
            out[1] = a[s1];
            const int s2 = int(gid.x) + CX[2];
            out[2] = a[s2];
            """,
            UnrollLoop(),
            head=TABLE,
        )

    def test_counts_in_steps_and_downwards(self) -> None:
        becomes(
            "for (int k = 4; k >= 0; k -= 2) out[gid.x] += float(-k);",
            """
            // k = 4, ..., 0
            out[gid.x] += float(-4);
            out[gid.x] += float(-2);
            out[gid.x] += float(-0);
            """,
            UnrollLoop(),
        )

    def test_bounds_may_be_macros_and_named_constants(self) -> None:
        after = rewritten(
            "for (uint k = 0; k < Q - ONE; ++k) out[k] = float(k);",
            UnrollLoop(),
            head="#define Q 3\nconstant uint ONE = 1;\n",
        )
        assert after == text("""
            // k = 0, ..., 1
            out[0] = float(0u);
            out[1] = float(1u);
        """)

    def test_takes_the_pragma_with_it(self) -> None:
        assert "#pragma" not in rewritten("#pragma unroll\nfor (int k = 0; k < 2; ++k) out[k] = 0;", UnrollLoop())

    def test_a_negative_value_is_put_in_parentheses(self) -> None:
        assert "out[gid.x-(-1)]" in rewritten("for (int k = -1; k < 1; ++k) out[gid.x-k] = 1;", UnrollLoop())

    @pytest.mark.parametrize(
        "loop",
        [
            "for (uint k = 0; k < N; ++k) out[k] = 0;",
            "for (int k = 0; k < 3; ++k) { if (a[k] > 0) break; }",
            "for (int k = 0; k < 3; ++k) { k += 1; }",
            "for (int k = 0; k < 3000; ++k) out[k] = 0;",
            "for (int k = 0; k < 3; --k) out[k] = 0;",
        ],
        ids=["runtime length", "break", "counter written", "too long", "endless"],
    )
    def test_leaves_other_loops_alone(self, loop: str) -> None:
        is_left_alone(loop, UnrollLoop())

    def test_leaves_alone_what_a_macro_mentions(self) -> None:
        is_left_alone("for (int k = 0; k < 3; ++k) out[k] = LOAD;", UnrollLoop(), head="#define LOAD a[k]\n")

    def test_two_loops_get_different_names(self) -> None:
        loop = "for (int k = 0; k < 2; ++k) { const float v = a[k]; out[k] = v; }"
        after = rewritten(f"{loop}\n{loop}", UnrollLoop())
        declared = [line.split()[2] for line in after.splitlines() if line.startswith("const float")]
        assert len(set(declared)) == 4


class TestOtherLoops:
    def test_pragma_for_constant_and_runtime_length(self) -> None:
        becomes(
            """
            for (int k = 0; k < 3; ++k) out[k] = 0;
            for (uint k = 0; k < N; ++k) out[k] = 0;
            """,
            """
            #pragma unroll
            for (int k = 0; k < 3; ++k) out[k] = 0;
            #pragma unroll(4)
            for (uint k = 0; k < N; ++k) out[k] = 0;
            """,
            UnrollPragma(4),
        )

    def test_pragma_is_not_given_twice(self) -> None:
        assert "#pragma unroll\n#pragma unroll" not in rewritten(
            "for (int k = 0; k < 3; ++k) out[k] = 0;", UnrollPragma(), UnrollPragma()
        )

    def test_by_factor(self) -> None:
        becomes(
            """
            float sum = 0.0f;
            for (uint k = 0; k < N; ++k) {
                sum += a[k];
            }
            out[gid.x] = sum;
            """,
            """
            float sum = 0.0f;
            for (uint k = 0; k + 1 < N; k += 2) {
                {
                    sum += a[k];
                }
                {
                    sum += a[(k + 1u)];
                }
            }
            for (uint k = N / 2u * 2u; k < N; ++k) {
                sum += a[k];
            }
            out[gid.x] = sum;
            """,
            UnrollByFactor(2),
        )

    def test_by_factor_leaves_alone_what_counts_from_elsewhere(self) -> None:
        is_left_alone("for (uint k = 1; k < N; ++k) out[k] = 0;", UnrollByFactor(2))


class TestConstants:
    def test_table_entries_become_literals(self) -> None:
        becomes(
            "out[0] = W[1] * float(CX[2]) + W[0];",
            "out[0] = 1.0f / 4.0f * float(-1) + 0.5f;",
            FoldTables(),
            head=TABLE,
        )

    def test_an_entry_with_an_operator_is_put_in_parentheses(self) -> None:
        becomes("out[0] = dt / W[1];", "out[0] = dt / (1.0f / 4.0f);", FoldTables(), head=TABLE)

    def test_tables_of_tables(self) -> None:
        head = "constant int C[2][2] = {{1, 2}, {3, 4}};\n"
        becomes("out[C[1][0]] = 0;", "out[3] = 0;", FoldTables(), head=head)

    def test_an_index_that_varies_stays(self) -> None:
        is_left_alone("out[0] = W[gid.x];", FoldTables(), head=TABLE)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("float(0) * dt + float(1) * a[0]", "a[0]"),
            ("-1.0f * dt + a[0]", "a[0] - dt"),
            ("a[0] - -1.0f * dt", "a[0] + dt"),
            ("a[0] + -1.0f * dt", "a[0] - dt"),
            ("a[0] + (-dt)", "a[0] - dt"),
            ("(2.0f + 3.0f) * dt", "5.0f * dt"),
            ("dt / 1.0f", "dt"),
            ("1.0f / 3.0f * dt", "1.0f / 3.0f * dt"),
            ("0 < 1 ? dt : a[0]", "dt"),
            ("fma(0.0f, dt, a[0])", "a[0]"),
            ("fma(-1.0f, dt, a[0])", "a[0] - dt"),
            ("dt * (1.0f * a[0] + 0.0f)", "dt * a[0]"),
            ("float(float(dt))", "dt"),
        ],
    )
    def test_simplify(self, before: str, after: str) -> None:
        becomes(f"out[0] = {before};", f"out[0] = {after};", Simplify())

    def test_simplify_indices(self) -> None:
        becomes("out[0 * int(N) + 3 * 4 - 0] = 0.0f;", "out[12] = 0.0f;", Simplify())

    def test_simplify_keeps_types(self) -> None:
        """1.0f * i is a float where i is not."""
        is_left_alone("const int i = int(gid.x);\nout[0] = 1.0f * i / 2;", Simplify())

    def test_simplify_keeps_effects(self) -> None:
        is_left_alone("out[0] = 0.0f * next();", Simplify(), head="float next();\n")

    def test_simplify_statements(self) -> None:
        becomes(
            """
            float x = a[0];
            x += 0.0f * dt;
            x -= -dt;
            x = x + a[1];
            if (0 == 1) x = 3.0f;
            out[0] = x;
            """,
            """
            float x = a[0];
            x += dt;
            x += a[1];
            out[0] = x;
            """,
            Simplify(),
        )

    def test_copies_are_read_through_and_removed(self) -> None:
        becomes(
            "const int i = int(gid.x);\nconst int j = i;\nconst float z = 0.0f;\nout[j] = a[j] * z;",
            "const int i = int(gid.x);\nout[i] = a[i] * 0.0f;",
            PropagateCopies(),
        )

    def test_a_copy_of_what_changes_stays(self) -> None:
        is_left_alone("float x = a[0];\nconst float y = x;\nx += 1.0f;\nout[0] = x * y;", PropagateCopies())

    def test_a_copy_is_not_read_through_where_its_origin_is_hidden(self) -> None:
        is_left_alone(
            "const int i = int(gid.x);\nconst int j = i;\nfor (int i = 0; i < j; ++i) out[i] = 0;", PropagateCopies()
        )

    def test_unused_declarations_go(self) -> None:
        after = applied(kernel("const int i = int(gid.x);\nout[0] = 1.0f;", TABLE), RemoveUnused())
        assert "CX" not in after
        assert "const int i" not in after

    def test_what_a_macro_uses_stays(self) -> None:
        after = applied(kernel("out[0] = FIRST;", TABLE + "#define FIRST W[0]\n"), RemoveUnused())
        assert "W[3]" in after
        assert "CX[3]" not in after


class TestScalars:
    def test_an_element_is_declared_where_it_is_assigned(self) -> None:
        becomes(
            "float f[2];\nf[0] = a[0];\nf[1] = a[1];\nout[0] = f[0] + f[1];",
            "const float f0 = a[0];\nconst float f1 = a[1];\nout[0] = f0 + f1;",
            ScalarReplacement(),
        )

    def test_an_element_that_changes_is_declared_first(self) -> None:
        becomes(
            "float f[2] = {1.0f};\nf[1] += a[1];\nout[0] = f[0] * f[1];",
            "float f0 = 1.0f, f1 = 0;\nf1 += a[1];\nout[0] = f0 * f1;",
            ScalarReplacement(),
        )

    @pytest.mark.parametrize(
        "code",
        [
            "float f[2];\nf[gid.x] = 1.0f;",
            "float f[2];\nfill(f);\nout[0] = f[0];",
            "threadgroup float f[2];\nf[0] = a[0];\nout[0] = f[0];",
            "float f[2];\nf[2] = a[0];",
        ],
        ids=["variable index", "passed on", "shared", "out of range"],
    )
    def test_other_arrays_stay(self, code: str) -> None:
        is_left_alone(code, ScalarReplacement(), head="void fill(thread float *f);\n")

    def test_accumulation_becomes_one_sum(self) -> None:
        becomes(
            "float s = 0.0f;\nfloat t = dt;\ns += a[0];\nt -= a[0] * dt;\ns += a[1];\nt -= a[1] + dt;\nout[0] = s * t;",
            """
            const float s = a[0] + a[1];
            const float t = dt - a[0] * dt - (a[1] + dt);
            out[0] = s * t;
            """,
            MergeAccumulation(),
        )

    def test_accumulation_of_what_changes_stays(self) -> None:
        is_left_alone(
            "float x = a[0];\nfloat s = 0.0f;\ns += x;\nx += 1.0f;\ns += x;\nout[0] = s;", MergeAccumulation()
        )


class TestRemainders:
    def test_neighbours(self) -> None:
        becomes(
            POSITION + "out[(i + n - 1) % n] = a[(i + 1) % n];",
            POSITION + "out[i == 0 ? n - 1 : i - 1] = a[i + 1 == n ? 0 : i + 1];",
            WrapByComparison(),
        )

    def test_unsigned_neighbours(self) -> None:
        becomes(
            "out[(gid.x + N - 2) % N] = a[(gid.x + 2) % N];",
            """
            const uint open_index = gid.x - 2 + N;
            const uint open_index_2 = gid.x + 2;
            out[open_index >= N ? open_index - N : open_index] = a[open_index_2 >= N ? open_index_2 - N : open_index_2];
            """,
            WrapByComparison(),
        )

    def test_an_offset_from_a_table_may_have_either_sign(self) -> None:
        becomes(
            POSITION + "for (int k = 0; k < 3; ++k) {\n    const int s = (i - CX[k] + n) % n;\n    out[s] = 0;\n}",
            """
            const int n = int(N);
            const int i = int(gid.x);
            for (int k = 0; k < 3; ++k) {
                const int s_open = i - CX[k];
                const int s = s_open < 0 ? s_open + n : (s_open >= n ? s_open - n : s_open);
                out[s] = 0;
            }
            """,
            WrapByComparison(),
            head=TABLE,
        )

    def test_comparisons_narrow_once_the_offset_is_known(self) -> None:
        select = "s < 0 ? s + n : (s >= n ? s - n : s)"
        becomes(
            POSITION + f"const int s = i - 1;\nout[{select}] = 0;",
            POSITION + "const int s = i - 1;\nout[i == 0 ? n - 1 : i - 1] = 0;",
            WrapByComparison(),
        )

    def test_a_position_is_inside_already(self) -> None:
        becomes(POSITION + "out[(i + n) % n] = 0;", POSITION + "out[i] = 0;", WrapByComparison())

    @pytest.mark.parametrize(
        "index",
        ["i % n", "(i * 7 + 3) % n", "(i + 1) % 8", "(d + n) % n", "(int(a[0]) * n + i) % n"],
        ids=["linear index", "hash", "literal period", "any difference", "product"],
    )
    def test_other_remainders_stay(self, index: str) -> None:
        is_left_alone(POSITION + f"const int d = int(a[1]) - i;\nout[{index}] = 0;", WrapByComparison())

    def test_power_of_two(self) -> None:
        becomes("out[gid.x / 8u] = a[gid.x % 8u];", "out[gid.x >> 3u] = a[gid.x & 7u];", PowerOfTwo())

    def test_signed_division_by_a_power_of_two_stays(self) -> None:
        is_left_alone("const int i = int(gid.x);\nout[i / 8] = 0;", PowerOfTwo())

    def test_one_division_for_quotient_and_remainder(self) -> None:
        becomes(
            "const uint j = gid.x / N;\nconst uint i = gid.x % N;\nout[i + j] = 0;",
            """
            const uint quotient = gid.x / N;
            const uint j = quotient;
            const uint i = gid.x - quotient * N;
            out[i + j] = 0;
            """,
            RemainderFromQuotient(),
        )

    def test_quotient_by_reciprocal(self) -> None:
        becomes(
            "out[gid.x / N] = 0;",
            "const float inv_N = 1.0f / float(N);\nout[uint((float(gid.x) + 0.5f) * inv_N)] = 0;",
            QuotientByReciprocal(),
        )

    def test_unsigned_division(self) -> None:
        becomes(
            POSITION + "out[i / n] = a[i % n];",
            POSITION + "out[int(uint(i) / uint(n))] = a[int(uint(i) % uint(n))];",
            UnsignedDivision(),
        )


class TestReciprocals:
    def test_two_divisions_by_one_value(self) -> None:
        becomes(
            "float r = a[0];\nr += a[1];\nfloat x = a[2];\nx /= r;\nout[0] = x + a[3] / r;",
            """
            float r = a[0];
            r += a[1];
            float x = a[2];
            const float inv_r = 1.0f / r;
            x *= inv_r;
            out[0] = x + a[3] * inv_r;
            """,
            ReciprocalOnce(),
        )

    def test_uniform_divisors_leave_loops(self) -> None:
        becomes(
            "for (uint k = 0; k < N; ++k) {\n    out[k] = a[k] / (dt + 1.0f);\n}",
            """
            const float inverse = 1.0f / (dt + 1.0f);
            for (uint k = 0; k < N; ++k) {
                out[k] = a[k] * inverse;
            }
            """,
            ReciprocalOnce(),
        )

    @pytest.mark.parametrize(
        "code",
        [
            "float r = a[0];\nout[0] = a[1] / r;\nr += 1.0f;\nout[1] = a[1] / r;",
            "const int r = int(gid.x);\nout[r / int(N)] = 0;\nout[r / int(N) + 1] = 0;",
            "out[0] = a[0] / 3.0f;\nout[1] = a[1] / 3.0f;",
        ],
        ids=["divisor changes", "integers", "constant"],
    )
    def test_other_divisions_stay(self, code: str) -> None:
        is_left_alone(code, ReciprocalOnce())


class TestHoisting:
    def test_common_subexpressions(self) -> None:
        becomes(
            "const int i = int(gid.x);\nout[i * 4 + 1] = a[i * 4 + 2];",
            "const int i = int(gid.x);\nconst int i_4 = i * 4;\nout[i_4 + 1] = a[i_4 + 2];",
            CommonSubexpressions(),
        )

    def test_a_const_that_holds_it_is_used(self) -> None:
        becomes(
            "const uint row = gid.y * N;\nout[gid.y * N + 1] = a[row];",
            "const uint row = gid.y * N;\nout[row + 1] = a[row];",
            CommonSubexpressions(),
        )

    def test_repeated_loads_from_inputs(self) -> None:
        becomes(
            "out[0] = a[gid.x];\nout[1] = a[gid.x];",
            "const float a_gid = a[gid.x];\nout[0] = a_gid;\nout[1] = a_gid;",
            CommonSubexpressions(),
        )

    @pytest.mark.parametrize(
        "code",
        [
            "float x = a[0];\nout[0] = x * dt;\nx += 1.0f;\nout[1] = x * dt;",
            "out[0] = out[gid.x];\nout[1] = out[gid.x];",
            "if (gid.x < N) out[0] = a[gid.x];\nif (gid.y < N) out[1] = a[gid.x];",
        ],
        ids=["variable changes", "memory changes", "guarded load"],
    )
    def test_what_has_no_one_value_stays(self, code: str) -> None:
        is_left_alone(code, CommonSubexpressions())

    def test_loop_invariants(self) -> None:
        becomes(
            """
            const int n = int(N);
            const float uu = a[0];
            for (int k = 0; k < n; ++k) {
                out[k * n * n] = dt * (a[k] + 1.0f - 1.5f * uu);
            }
            """,
            """
            const int n = int(N);
            const float uu = a[0];
            const int shared = n * n;
            const float uu_1_1_5 = 1.0f - 1.5f * uu;
            for (int k = 0; k < n; ++k) {
                out[k * shared] = dt * (a[k] + uu_1_1_5);
            }
            """,
            LoopInvariants(),
        )

    def test_a_load_that_the_loop_may_not_reach_stays_inside(self) -> None:
        is_left_alone("for (uint k = 0; k < N; ++k) { out[k] = a[gid.x]; }", LoopInvariants())

    def test_hoisting_goes_in_front_of_the_pragma(self) -> None:
        after = rewritten(
            "#pragma unroll\nfor (uint k = 0; k < 3; ++k) {\n    out[k + gid.y * N] = 0;\n}", LoopInvariants()
        )
        assert after.splitlines()[:3] == [
            "const uint gid_N = gid.y * N;",
            "#pragma unroll",
            "for (uint k = 0; k < 3; ++k) {",
        ]

    def test_common_parts_of_sums(self) -> None:
        becomes(
            "const float x = a[0];\nout[0] = a[1] + x - a[2] - dt;\nout[1] = a[1] + x + a[3] - a[4];",
            """
            const float x = a[0];
            const float a_x_1 = a[1] + x;
            out[0] = a_x_1 - a[2] - dt;
            out[1] = a[3] - a[4] + a_x_1;
            """,
            CommonParts(),
        )

    def test_common_parts_of_products(self) -> None:
        becomes(
            "const int n = int(N);\nconst int m = n + 1;\nout[2 * n * m] = a[3 * n * m];",
            "const int n = int(N);\nconst int m = n + 1;\nconst int n_m = n * m;\nout[2 * n_m] = a[3 * n_m];",
            CommonParts(),
        )


class TestAlgebra:
    def test_fma(self) -> None:
        becomes(
            "float x = a[0];\nx += a[1] * dt;\nout[0] = x - dt * (a[2] + 1.0f) + a[3];",
            "float x = a[0];\nx = fma(a[1], dt, x);\nout[0] = fma(-dt, a[2] + 1.0f, x + a[3]);",
            ContractToFma(),
        )

    def test_only_floats_are_contracted(self) -> None:
        """The library has no fma of a half and two floats."""
        is_left_alone("const half x = a[0];\nout[0] = dt * a[1] + x;", ContractToFma())

    def test_integers_are_not_contracted(self) -> None:
        is_left_alone("const int i = int(gid.x);\nout[i * 2 + 1] = 0;", ContractToFma())

    def test_factor_out(self) -> None:
        becomes(
            "const float c = a[0];\nout[0] = 1.0f + 3.0f * c + 4.5f * c * c;",
            "const float c = a[0];\nout[0] = 1.0f + c * (3.0f + 4.5f * c);",
            FactorOut(),
        )

    def test_pairwise_sum(self) -> None:
        becomes(
            "out[0] = a[0] + a[1] - a[2] + a[3] + a[4] - a[5];",
            "out[0] = ((a[0] + a[1]) + (a[3] + a[4])) - (a[2] + a[5]);",
            PairwiseSum(),
        )

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("1.0f / sqrt(dt)", "rsqrt(dt)"),
            ("a[0] / sqrt(dt + 1.0f)", "a[0] * rsqrt(dt + 1.0f)"),
            ("pow(dt + 1.0f, 2.0f)", "(dt + 1.0f) * (dt + 1.0f)"),
            ("pow(dt, 1.5f) / 2.0f", "dt * sqrt(dt) / 2.0f"),
        ],
    )
    def test_cheaper_calls(self, before: str, after: str) -> None:
        becomes(f"out[0] = {before};", f"out[0] = {after};", CheaperCalls())

    def test_a_function_of_the_file_is_not_the_library_s(self) -> None:
        is_left_alone("out[0] = 1.0f / sqrt(dt);", CheaperCalls(), head="float sqrt(float x) { return x; }\n")


class TestIntegers:
    def test_indices_become_signed(self) -> None:
        becomes(
            "const uint c = gid.y * N + gid.x;\nout[c + 1u] = a[c];",
            "const int n = int(N);\nconst int c = int(gid.y) * n + int(gid.x);\nout[c + 1] = a[c];",
            SignedIndices(),
        )

    @pytest.mark.parametrize(
        "code",
        ["const uint c = gid.x ^ N;\nout[c] = 0;", "const int c = int(gid.x);\nout[c] = 0;"],
        ids=["bits", "signed already"],
    )
    def test_other_indices_stay(self, code: str) -> None:
        is_left_alone(code, SignedIndices())


class TestControlFlow:
    GUARD = "if (gid.x >= N || gid.y >= N) return;\nout[gid.x] = 1.0f;"
    GUARDED = "if (gid.x < N && gid.y < N) {\n    out[gid.x] = 1.0f;\n}"

    def test_guarded_body(self) -> None:
        becomes(self.GUARD, self.GUARDED, GuardedBody())

    def test_early_return(self) -> None:
        becomes(self.GUARDED, self.GUARD, EarlyReturn())

    def test_drop_guard(self) -> None:
        becomes(self.GUARD, "out[gid.x] = 1.0f;", DropGuard())

    def test_return_to_else_and_one_store(self) -> None:
        becomes(
            "if (gid.x == 0) {\n    out[gid.x] = 0.0f;\n    return;\n}\nout[gid.x] = dt;",
            "out[gid.x] = gid.x == 0 ? 0.0f : dt;",
            ReturnToElse(),
            SelectStore(),
        )

    def test_a_load_behind_a_branch_stays_there(self) -> None:
        is_left_alone("if (gid.x < N) {\n    out[0] = a[gid.x];\n} else {\n    out[0] = 0.0f;\n}", SelectStore())

    def test_interior_is_split_and_joined_again(self) -> None:
        before = POSITION + "const float l = a[(i - 1 + n) % n];\nconst float r = a[(i + 1) % n];\nout[i] = l + r;"
        split = rewritten(before, SplitInterior())
        assert split == text("""
            const int n = int(N);
            const int i = int(gid.x);
            if (i >= 1 && i + 1 < n) {  // no neighbour wraps around
                const float l = a[i - 1];
                const float r = a[i + 1];
                out[i] = l + r;
            } else {
                const float l = a[(i - 1 + n) % n];
                const float r = a[(i + 1) % n];
                out[i] = l + r;
            }
        """)
        assert rewritten(split, JoinInterior()) == before

    def test_branches_that_do_different_things_are_not_joined(self) -> None:
        is_left_alone("if (gid.x < N) {\n    out[0] = a[0];\n} else {\n    out[1] = a[0];\n}", JoinInterior())

    def test_drop_barrier(self) -> None:
        before = "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[0] = 1.0f;"
        becomes(before, "out[0] = 1.0f;", DropBarrier())

    def test_half_temporaries(self) -> None:
        becomes("const float x = a[0];\nout[0] = x;", "const half x = a[0];\nout[0] = x;", HalfTemporaries())


class TestKernels:
    def test_a_cap_stands_before_the_kernel(self) -> None:
        after = applied(kernel("out[0] = 0.0f;"), ThreadgroupCap(256))
        assert "[[max_total_threads_per_threadgroup(256)]]\nkernel void step(" in after

    def test_a_cap_replaces_another(self) -> None:
        after = applied(kernel("out[0] = 0.0f;"), ThreadgroupCap(256), ThreadgroupCap(64))
        assert "[[max_total_threads_per_threadgroup(64)]]\nkernel" in after
        assert "256" not in after

    def test_local_copies(self) -> None:
        becomes(
            "if (gid.x >= N) return;\nout[gid.x + N] = dt;",
            "const uint n = N;\nif (gid.x >= n) return;\nout[gid.x + n] = dt;",
            LocalCopies(),
        )
