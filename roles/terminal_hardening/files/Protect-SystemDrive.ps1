# Encrypts the system drive with a key bound to the TPM and says the recovery password, which the controller keeps sealed.
param(
    [ValidateSet('XtsAes128', 'XtsAes256')] [string] $Method = 'XtsAes256'
)
$ErrorActionPreference = 'Stop'
$drive = Get-BitLockerVolume -MountPoint $env:SystemDrive
if (-not ($drive.KeyProtector | Where-Object KeyProtectorType -eq 'RecoveryPassword')) {
    $null = Add-BitLockerKeyProtector -MountPoint $env:SystemDrive -RecoveryPasswordProtector
}
if ("$($drive.VolumeStatus)" -eq 'FullyDecrypted') {
    $null = Enable-BitLocker -MountPoint $env:SystemDrive -EncryptionMethod $Method -TpmProtector -UsedSpaceOnly -SkipHardwareTest
}
elseif ("$($drive.ProtectionStatus)" -ne 'On') { $null = Resume-BitLocker -MountPoint $env:SystemDrive }
(Get-BitLockerVolume -MountPoint $env:SystemDrive).KeyProtector |
    Where-Object KeyProtectorType -eq 'RecoveryPassword' | Select-Object -First 1 -ExpandProperty RecoveryPassword
