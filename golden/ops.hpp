// Every operator of docs/numerics.md, as free functions on spans.
#pragma once

#include "golden/activation.hpp"
#include "golden/attention.hpp"
#include "golden/crossbar.hpp"
#include "golden/fixed.hpp"
#include "golden/norm.hpp"
#include "golden/quantize.hpp"
#include "golden/scale.hpp"
