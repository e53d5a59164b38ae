#!/bin/bash -eu
# Of ClusterFuzzLite: builds each harness of native/fuzz into $OUT, with its seeds beside it. CFLAGS and CXXFLAGS have the sanitizer,
# LIB_FUZZING_ENGINE the engine, which can be a library of C++. The
# compiler is a newer one than ours, and may warn of more.
make -C native -j"$(nproc)" fuzz CLANG="$CC" FUZZ_CFLAGS="$CFLAGS -Wno-error" FUZZ_LINK="$CXX $CXXFLAGS" FUZZ_ENGINE="$LIB_FUZZING_ENGINE"
for source in native/fuzz/*.c; do
  name=$(basename "$source" .c)
  [ -x "native/build/fuzz/$name" ] || continue # of all harnesses
  cp "native/build/fuzz/$name" "$OUT/$name"
  (cd "fixtures/fuzz/$name" && zip -q "$OUT/${name}_seed_corpus.zip" ./*)
done
