"""How the demo's models are trained and sampled: every number in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every choice that decides what the trained models are."""

    seed: int = 1
    """Of weights, batches and noise."""
    merges: int = 600
    """Byte-pair merges learned from the captions, on top of 512 bytes and 2 marks."""
    caption_tokens: int = 32
    """Longest caption, marks included; the demo's captions need at most 16."""
    vae_channels: tuple[int, ...] = (16, 32, 64)
    """Width of the autoencoder per level, multiples of 8; two halvings: 64x64 to 16x16."""
    vae_latents: int = 8
    """Latent numbers per 4x4 pixels; with 4, thin lines and colours suffer."""
    vae_steps: int = 5200
    """Of `vae_batch` distinct pictures each."""
    vae_batch: int = 8
    """Small: many cheap steps sharpen more than few dear ones."""
    vae_rate: float = 2e-3
    """Highest learning rate of the one-cycle schedule."""
    vae_kl: float = 2e-5
    """Weight of the divergence from a normal latent, per latent number: only keeps them tame."""
    text_width: int = 128
    """Width of the text encoder, so of the cross-attention."""
    text_layers: int = 2
    """Transformer layers of the text encoder."""
    text_rate: float = 5e-4
    """Highest learning rate of the text encoder."""
    unet_channels: tuple[int, ...] = (32, 64, 128)
    """Width per level, multiples of 8; the last one and the middle read the caption."""
    unet_steps: int = 3600
    """Of `unet_batch` rows each; rows are occurrences, so repeated works are seen more often."""
    unet_batch: int = 32
    """Rows per step."""
    unet_rate: float = 1e-3
    """Highest learning rate of the one-cycle schedule."""
    unet_average: float = 0.998
    """Decay of the moving average of the weights, per step."""
    unet_save: int = 500
    """Steps between two savings: a training that is cut leaves usable weights."""
    unet_caption_dropout: float = 0.1
    """Share of rows trained with the empty caption, which classifier-free guidance needs."""
    sample_steps: int = 8
    """DDIM steps of a generation."""
    sample_guidance: float = 2.5
    """Guidance scale of a generation."""
    clip_features: int = 64
    """Numbers of a CLIP vector."""
    clip_width: int = 128
    """Width of the image tower; the text tower has `text_width` and `text_layers`."""
    clip_layers: int = 4
    """Transformer layers of the image tower."""
    clip_seeds: tuple[int, ...] = (1001, 1002)
    """Of the corpora that CLIP learns from: both differ from the demo's own."""
    clip_steps: int = 300
    """Of `clip_batch` works each, every work seen twice."""
    clip_batch: int = 64
    """Works per step."""
    clip_rate: float = 1e-3
    """Highest learning rate of the one-cycle schedule."""
