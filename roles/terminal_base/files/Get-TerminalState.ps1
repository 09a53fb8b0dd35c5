# Says what a terminal is set to, as JSON, and changes nothing. Run by ansible.windows.win_powershell, in one call.
# Everything is read in forms that don't differ by the language of Windows: SIDs, GUIDs, numbers, registry data.
param(
    # {"registry": {"HKLM\\SOFTWARE\\...": ["name", ...]}, "features": ["SMB1Protocol", ...], "services": ["WlanSvc", ...],
    # "roots": ["0a1b...", ...]}; the name "*" asks for every value of a key, roots are thumbprints
    [Parameter(Mandatory)] [string] $Questions
)
$ErrorActionPreference = 'Stop'
$Ansible.Changed = $false
$asked = ConvertFrom-Json $Questions

# The text of a file that one of the platform's tools writes; the file is gone afterwards.
function Get-Export([string] $Program, [string] $Arguments) {
    $file = Join-Path ([IO.Path]::GetTempPath()) "renkei-$([guid]::NewGuid()).txt"
    try {
        $run = Start-Process $Program ($Arguments -f $file) -NoNewWindow -Wait -PassThru
        if ($run.ExitCode -ne 0) { throw "$Program ended with $($run.ExitCode)" }
        [IO.File]::ReadAllText($file)
    }
    finally { Remove-Item -LiteralPath $file -ErrorAction SilentlyContinue }
}

$values = @{}
foreach ($wanted in $asked.registry.PSObject.Properties) {
    $values[$wanted.Name] = @{}
    $key = Get-Item -LiteralPath ($wanted.Name -replace '^HKLM', 'Registry::HKEY_LOCAL_MACHINE') -ErrorAction SilentlyContinue
    if (-not $key) { continue }
    $names = if ($wanted.Value -contains '*') { $key.GetValueNames() } else { $wanted.Value }
    foreach ($name in $names) {
        $data = $key.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
        if ($null -ne $data) { $values[$wanted.Name][$name] = @{ kind = "$($key.GetValueKind($name))"; data = $data } }
    }
}

$optional = @{}
foreach ($name in $asked.features) {
    $feature = Get-WindowsOptionalFeature -Online -FeatureName $name -ErrorAction SilentlyContinue
    if ($feature) { $optional[$name] = "$($feature.State)" }
}

$starts = @{}
foreach ($name in $asked.services) {
    $service = Get-Service -Name $name -ErrorAction SilentlyContinue
    if ($service) { $starts[$name] = "$($service.StartType)" }
}

$accounts = foreach ($user in Get-LocalUser) {
    @{
        name = $user.Name; sid = $user.SID.Value; enabled = $user.Enabled; full_name = $user.FullName
        last_logon = if ($user.LastLogon) { $user.LastLogon.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:sszzz') }
        created = if ($user.PasswordLastSet) { $user.PasswordLastSet.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:sszzz') }
    }
}
# what the next maintenance window opens with, and for how long yet (seconds since 1970)
$listener = Get-ChildItem Cert:\LocalMachine\My | Where-Object { $_.FriendlyName -like 'renkei listener *' -and $_.HasPrivateKey } |
    Sort-Object NotBefore | Select-Object -Last 1
$drive = Get-BitLockerVolume -MountPoint $env:SystemDrive
$tpm = Get-Tpm
$defender = Get-MpComputerStatus
$collections = (Get-AppLockerPolicy -Effective).RuleCollections | Where-Object { "$($_.EnforcementMode)" -eq 'Enabled' }
# What the update service offered at the last search and isn't installed, from the machine's own notes: the network isn't
# asked. Without an answer nothing is said, which counts as not known. Times in seconds since 1970.
$updates = try {
    $last = (New-Object -ComObject Microsoft.Update.AutoUpdate).Results.LastSearchSuccessDate
    $searcher = (New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher()
    $searcher.Online = $false
    $missing = foreach ($update in $searcher.Search("IsInstalled=0 and IsHidden=0 and Type='Software'").Updates) {
        @{
            name = $update.Title; urgent = $update.MsrcSeverity -eq 'Critical'
            since = ([DateTimeOffset]$update.LastDeploymentChangeTime).ToUnixTimeSeconds()
        }
    }
    @{
        searched = if ($last) { ([DateTimeOffset][datetime]::SpecifyKind($last, 'Utc')).ToUnixTimeSeconds() }
        missing = @($missing | Where-Object { $_ })
    }
}
catch { $null }
$adapters = Get-NetAdapter -Physical | Where-Object { $_.PhysicalMediaType -match '802\.11|BlueTooth|Wireless WAN' }

@{
    host = @{
        name = $env:COMPUTERNAME
        next_name = (Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName').ComputerName
        time_zone = (Get-TimeZone).Id
        culture = (Get-Culture).Name
        location = "$((Get-WinHomeLocation).GeoId)"
        reboot_pending = Test-Path 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending'
    }
    listener = if ($listener) {
        @{
            name = $listener.FriendlyName
            begin = ([DateTimeOffset]$listener.NotBefore).ToUnixTimeSeconds(); end = ([DateTimeOffset]$listener.NotAfter).ToUnixTimeSeconds()
        }
    }
    security = Get-Export 'secedit.exe' '/export /cfg "{0}" /areas SECURITYPOLICY USER_RIGHTS /quiet'
    audit = Get-Export 'auditpol.exe' '/backup /file:"{0}"'
    registry = $values
    features = $optional
    services = $starts
    accounts = @($accounts)
    disk = @{ protection = "$($drive.ProtectionStatus)".ToLower(); method = "$($drive.EncryptionMethod)" }
    firmware = @{ secure_boot = [bool](Confirm-SecureBootUEFI -ErrorAction SilentlyContinue) }
    tpm = @{ ready = [bool]($tpm.TpmPresent -and $tpm.TpmReady) }
    applocker = @{ enforced = @('Exe', 'Msi', 'Script' | Where-Object { $collections.RuleCollectionType -contains $_ }).Count -eq 3 }
    defender = @{
        real_time = [bool]$defender.RealTimeProtectionEnabled
        pattern_hours = [int]((Get-Date) - $defender.AntivirusSignatureLastUpdated).TotalHours
    }
    updates = $updates
    roots = @($asked.roots | Where-Object { Test-Path "Cert:\LocalMachine\Root\$_" })
    network = @{ wireless = @($adapters | ForEach-Object { $_.InterfaceDescription }) }
} | ConvertTo-Json -Depth 6 -Compress
