"""The shaders of `rendering.scene`. Colours are squared before lighting and rooted after it, which
is close enough to linear light."""

VERTEX = """#version 330
uniform mat4 view, shade;
in vec3 p, n, extra; in vec2 uv; in float kind;
out vec3 P, N, E; out vec2 UV; out vec4 S; flat out float K;
void main() {
    gl_Position = view * vec4(p, 1);
    P = p; N = n; E = extra; UV = uv; K = kind;
    S = shade * vec4(p, 1);
}"""

FRAGMENT = """#version 330
uniform sampler2D paint; uniform sampler2DShadow shadow;
uniform vec3 eye, towards, key, ambient, hair, iris; uniform float grain;
in vec3 P, N, E; in vec2 UV; in vec4 S; flat in float K;
out vec4 colour;

float chance(vec2 i) { return fract(sin(dot(i, vec2(127.1, 311.7)) + grain) * 43758.5453); }
float grainy(vec2 x) {
    vec2 i = floor(x), f = fract(x); f = f * f * (3. - 2. * f);
    return mix(mix(chance(i), chance(i + vec2(1, 0)), f.x),
               mix(chance(i + vec2(0, 1)), chance(i + vec2(1, 1)), f.x), f.y);
}
float lit() {
    vec3 s = S.xyz * .5 + .5; float sum = 0.;
    for (int i = -1; i <= 1; i++) for (int j = -1; j <= 1; j++)
        sum += texture(shadow, vec3(s.xy + vec2(i, j) * 1.4 / 512., s.z - .006));
    return sum / 9.;
}
void main() {
    vec3 V = normalize(eye - P), n = length(N) > 1e-4 ? normalize(N) : V, base;
    float gloss = .1, wrap = .1, power = 12.;
    if (dot(n, V) < 0. && (K > 4.5)) n = -n;
    if (K < .5) {                                   // skin and cloth
        vec4 t = texture(paint, UV); base = t.rgb; gloss = t.a; wrap = .3 * gloss + .15;
    } else if (K < 1.5) {                           // eye: E is the direction from its centre
        float r = length(E.xz);
        base = mix(vec3(.93, .91, .89), vec3(.75, .6, .58), smoothstep(.5, 1., r));
        if (E.y < 0.) {
            base = mix(iris, base, smoothstep(.42, .48, r));
            base *= mix(1., .55, smoothstep(.10, .04, abs(r - .43)) );
            base = mix(vec3(.02), base, smoothstep(.16, .22, r));
        }
        gloss = .9; power = 60.; wrap = .6;
    } else if (K < 2.5) { base = vec3(.86, .84, .78); wrap = .3;
    } else if (K < 3.5) { base = vec3(.62, .28, .28); wrap = .3;
    } else if (K < 5.5) {                           // hair: E is (azimuth, crown to tip, curl)
        float along = E.y * 5., across = E.x * 60.;
        across += E.z * 3. * sin(E.y * 14. + 3. * grainy(vec2(E.x * 16., E.y * 4.)));
        float s = grainy(vec2(across, along * (.35 + 1.8 * E.z)));
        s = .6 * s + .4 * grainy(vec2(across * 2.7, along));
        base = hair * (.62 + .76 * s); gloss = .35 * (.4 + s); power = 7.; wrap = .25;
    } else if (K < 6.5) {                           // knitted cloth
        base = E; wrap = .25; gloss = .02;
    } else if (K < 7.5) { base = E; gloss = .25; wrap = .15;
    } else { base = E; gloss = 1.; power = 30.; }
    base *= base;
    float facing = dot(n, towards), open = lit();
    float d = max((facing + wrap) / (1. + wrap), 0.) * mix(.15, 1., open);
    float sky = .62 + .38 * n.z;
    vec3 light = ambient * sky * (.75 + .25 * max(dot(n, V), 0.)) + key * d;
    vec3 h = normalize(towards + V);
    float shine = gloss * pow(max(dot(n, h), 0.), power) * .28 * open;
    colour = vec4(sqrt(clamp(base * light + key * shine, 0., 1.)), 1.);
}"""

DEPTH_VERTEX = """#version 330
uniform mat4 view; in vec3 p; void main() { gl_Position = view * vec4(p, 1); }"""

DEPTH_FRAGMENT = """#version 330
void main() {}"""
