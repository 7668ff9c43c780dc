"""Handcrafted and learned features of one patient: whom to believe, and whether there is anything to tell.

>>> from heedful.arbitrate.features import sources_of
>>> sources_of(["CT_original_glcm_Contrast", "deep0", "deep1"])
{'CT glcm': ['CT_original_glcm_Contrast'], 'deep': ['deep0', 'deep1']}
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "answer": ["FeatureAnswer"],
        "encoder": ["Encoder"],
        "model": ["FeatureArbiter"],
        "null": ["Signal", "permutation_test"],
        "phantoms": ["lesions", "texture_features"],
        "plain": ["fit_plain"],
        "reading": ["weights_of", "read"],
        "tokens": ["sources_of"],
    },
)
